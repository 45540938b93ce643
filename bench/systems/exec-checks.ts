import type { LoadRequest } from '../harness/wrk.js';

/** Exec checks of many tokens by a trusted runner. Each decision is committed before it is answered. */
export function execChecks(runner: string, tokens: readonly string[], workflow: string): readonly LoadRequest[] {
  const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${runner}` };
  const context = { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests', command: 'codex exec ./tests' };
  return tokens.map((token) => ({
    path: '/v1/exec/checks',
    headers,
    body: JSON.stringify({ token, workflow, scopes: ['codex:exec'], context }),
  }));
}
