import { newId, newTokenSecret, printId, printToken } from '../../src/rules/format.js';
import type { Me, Member, MintedToken, Run, Token, Workflow } from '../../src/sdk/index.js';

const NOW = new Date('2026-03-02T09:00:00Z');

/** A token of true form that no service knows, and its public id. */
export function looseToken(): { token: string; id: string } {
  const id = newId('tok', NOW);
  return { token: printToken({ id, tokenSecret: newTokenSecret() }), id: printId('tok', id) };
}

export const ADA: Member = {
  id: printId('mem', newId('mem', NOW)),
  email: 'ada@acme.example',
  name: 'Ada',
  role: 'owner',
  status: 'active',
  created_at: NOW.toISOString(),
};

/** A token as the service shows it. */
export function tokenResource(changes: Partial<Token> = {}): Token {
  const id = printId('tok', newId('tok', NOW));
  const person = { id: ADA.id, email: ADA.email, name: ADA.name };
  return {
    id,
    name: null,
    workspace_id: printId('ws', newId('ws', NOW)),
    workflow: 'codex-review',
    creator: person,
    owner: person,
    scopes: ['repo:read'],
    constraints: {},
    status: 'active',
    created_at: NOW.toISOString(),
    not_before: null,
    expires_at: '2026-04-01T09:00:00.000Z',
    last_used_at: null,
    last_used_ip: null,
    last_used_by: null,
    last_used_run: null,
    lineage_id: id,
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
    ...changes,
  };
}

/** A token as it is shown once. */
export function mintedResource(changes: Partial<MintedToken> = {}): MintedToken {
  const { token, id } = looseToken();
  return { ...tokenResource({ id }), token, ...changes };
}

/** What `/v1/me` answers. */
export function meResource(changes: Partial<Me> = {}): Me {
  const token = tokenResource({ workflow: 'countersign' });
  return {
    ...ADA,
    workspace: { id: token.workspace_id, slug: 'acme' },
    permissions: ['tokens:read'],
    token,
    ...changes,
  };
}

/** A workflow as the service shows it. */
export function workflowResource(changes: Partial<Workflow> = {}): Workflow {
  return {
    id: printId('wfl', newId('wfl', NOW)),
    label: 'codex-review',
    description: 'reviews',
    allowed_scopes: ['repo:read', 'codex:exec'],
    allowed_expiry_days: [7, 30],
    constraints: { repositories: ['acme/*'], refs: ['refs/heads/main'] },
    max_run_seconds: 21_600,
    max_concurrent_runs: null,
    max_concurrent_runs_per_token: null,
    leaver: null,
    reuse_rule: 'alarm',
    rotations: [],
    contacts: [],
    status: 'active',
    paused_at: null,
    created_at: NOW.toISOString(),
    updated_at: NOW.toISOString(),
    ...changes,
  };
}

/** A run as the service shows it. */
export function runResource(changes: Partial<Run> = {}): Run {
  const token = tokenResource();
  return {
    run_id: 'run_0123456789ABCDEFGHIJKL',
    check_id: 'chk_0123456789ABCDEFGHIJKL',
    status: 'running',
    workflow: 'codex-review',
    token_id: token.id,
    creator: token.creator,
    caller_token_id: token.id,
    scopes: ['codex:exec'],
    context: { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests', command: 'codex exec \u001b[2J' },
    ip: '192.0.2.1',
    runner: null,
    started_at: NOW.toISOString(),
    lease_ends_at: new Date(NOW.getTime() + 120_000).toISOString(),
    valid_until: new Date(NOW.getTime() + 21_600_000).toISOString(),
    exit_code: null,
    signal: null,
    finished_at: null,
    stopped_at: null,
    stopped_by: null,
    stopped_reason: null,
    ...changes,
  };
}
