import type { ExecDecision, Introspection, MintedToken, Run } from './resources.js';

/** Answers as a reader of the documentation sees them. No token in them is of token form, so that no scanner stumbles. */

const person = { id: 'mem_01KfUXmCbVYz8sQ2dW3nRk', email: 'ada@example.com', name: 'Ada' };

export const mintedExample: MintedToken = {
  id: 'tok_01KfV2bq7Nw4XcTzJ5yLgH',
  name: 'nightly run',
  workspace_id: 'ws_01KfUXmB3pHs9rDkE6tMvA',
  workflow: 'nightly-tests',
  creator: person,
  owner: person,
  scopes: ['codex:exec', 'repo:read'],
  constraints: { repositories: ['acme/shop'], refs: ['refs/heads/main'] },
  status: 'active',
  created_at: '2026-03-02T09:00:00.000Z',
  not_before: null,
  expires_at: '2026-04-01T09:00:00.000Z',
  last_used_at: null,
  last_used_ip: null,
  last_used_by: null,
  last_used_run: null,
  lineage_id: 'tok_01KfV2bq7Nw4XcTzJ5yLgH',
  rotated_from: null,
  rotated_to: null,
  overlap_ends_at: null,
  revoked_at: null,
  revoked_by: null,
  revoked_reason: null,
  runner_id: null,
  frozen_at: null,
  frozen_reason: null,
  takeover_by: null,
  takeover_until: null,
  token: 'cst_…',
};

export const introspectionExample: Introspection = {
  active: true,
  iss: 'https://countersign.example.com',
  sub: person.id,
  username: person.email,
  client_id: 'nightly-tests',
  scope: 'codex:exec repo:read',
  token_type: 'Bearer',
  iat: 1772442000,
  nbf: 1772442000,
  exp: 1775034000,
  jti: mintedExample.id,
  workspace_id: mintedExample.workspace_id,
  workspace: 'acme',
  workflow: 'nightly-tests',
  authorization_details: [{ type: 'agent_exec', repositories: ['acme/shop'], refs: ['refs/heads/main'] }],
};

export const decisionExample: ExecDecision = {
  check_id: 'chk_01KfV5dEw8Rm2YqGnB7xUj',
  decision: 'allow',
  reasons: [],
  as_of: '2026-03-03T02:00:00.000Z',
  token: introspectionExample,
  valid_until: '2026-03-03T08:00:00.000Z',
  run_id: 'run_01KfV5dEw8Rm2YqGnB7xUj',
  lease_ends_at: '2026-03-03T02:02:00.000Z',
};

export const runExample: Run = {
  run_id: 'run_01KfV5dEw8Rm2YqGnB7xUj',
  check_id: 'chk_01KfV5dEw8Rm2YqGnB7xUj',
  status: 'running',
  workflow: 'nightly-tests',
  token_id: mintedExample.id,
  creator: person,
  caller_token_id: mintedExample.id,
  scopes: ['codex:exec'],
  context: {
    repository: 'acme/shop',
    ref: 'refs/heads/main',
    job: 'tests',
    command: 'codex exec ./tests',
  },
  ip: '192.0.2.7',
  runner: null,
  started_at: '2026-03-03T02:00:00.000Z',
  lease_ends_at: '2026-03-03T02:04:00.000Z',
  valid_until: '2026-03-03T08:00:00.000Z',
  exit_code: null,
  signal: null,
  finished_at: null,
  stopped_at: null,
  stopped_by: null,
  stopped_reason: null,
};
