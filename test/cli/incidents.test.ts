import { describe, expect, test } from 'vitest';
import type { IncidentReport } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, tokenResource } from './resources.js';
import { scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();
const run = (args: readonly string[]) =>
  commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token } });

const AT = '2026-03-02T09:00:00.000Z';
const ID = 'inc_0123456789ABCDEFGHIJKL';
const TOKEN = 'tok_0123456789ABCDEFGHIJKL';

const report: IncidentReport = {
  id: ID,
  kind: 'leak',
  status: 'open',
  token_id: TOKEN,
  workflow: 'codex-review',
  lineage_id: TOKEN,
  opened_at: AT,
  last_seen_at: AT,
  times_seen: 2,
  token_was: 'active',
  revoked: [TOKEN],
  closed_at: null,
  closed_by: null,
  closed_note: null,
  token: tokenResource({ id: TOKEN, status: 'revoked' }),
  seen: [{ at: AT, type: 'log', url: 'https://ci.example/`|[click](https://evil.example)\u001b[31m' }],
  uses: [
    {
      check_id: 'chk_0123456789ABCDEFGHIJKL',
      at: AT,
      decision: 'allow',
      repository: 'acme/shop',
      ref: 'refs/heads/main',
      environment: null,
      job: 'tests',
      command: 'echo a | tee b',
      ip: '192.0.2.1',
      runner_id: null,
      caller_token_id: TOKEN,
      run_status: 'stopped',
      finished_at: null,
    },
  ],
  asked_by: [],
  siblings: [{ id: 'tok_1123456789ABCDEFGHIJKL', status: 'active', expires_at: AT, last_used_at: null }],
};

describe('incident', () => {
  test('list is a line each', async () => {
    service.follow(() => ({ status: 200, body: { data: [report], next_cursor: null } }));
    const { code, stdout } = await run(['incident', 'list', '--status', 'open', '--token', TOKEN]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${ID}\t${AT}\tleak\topen\t${TOKEN}\tcodex-review\t2\t1\n` });
    expect(Object.fromEntries(service.received[0]?.query ?? [])).toEqual({
      status: 'open',
      token: TOKEN,
      limit: '200',
    });
    service.follow(() => ({ status: 200, body: { data: [], next_cursor: null } }));
    expect(await run(['incident', 'list'])).toMatchObject({ code: 0, stderr: 'There are no incidents that match.\n' });
    expect(await run(['incident', 'list', '--status', 'over'])).toMatchObject({ code: 2 });
  });

  test('show tells all of it; the report to hand in is plain Markdown that a stranger’s words cannot change', async () => {
    service.follow(() => ({ status: 200, body: report }));
    const shown = await run(['incident', 'show', ID]);
    expect(shown.stdout).toContain(`revoked\t${TOKEN}\n`);
    expect(shown.stdout).not.toContain('\u001b');
    const { stdout } = await run(['incident', 'show', ID, '--format', 'md']);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`# Incident ${ID}`);
    expect(lines).toContain('## Who used it');
    expect(stdout).toContain('`https://ci.example/ˋ¦[click](https://evil.example)\\x1b[31m`');
    expect(stdout).toContain('`echo a ¦ tee b`');
    expect(stdout).toContain(`Revoked, with the jobs under way: \`${TOKEN}\`.`);
    for (const line of lines.filter((one) => one.startsWith('|'))) expect(line).toMatch(/^\|( [^|]* \|)+$/);
    expect(JSON.parse((await run(['incident', 'show', ID, '--json'])).stdout)).toEqual(report);
    expect(await run(['incident', 'show', ID, '--json', '--format', 'md'])).toMatchObject({ code: 2 });
  });

  test('close says what came of it', async () => {
    service.follow(() => ({ status: 200, body: { ...report, status: 'closed' } }));
    expect(await run(['incident', 'close', ID, '--note', 'gone'])).toMatchObject({
      code: 0,
      stderr: `${ID} is closed.\n`,
    });
    const [closed] = service.received;
    expect(closed?.route).toBe(`POST /v1/incidents/${ID}/close`);
    expect(JSON.parse(closed?.body ?? '')).toEqual({ note: 'gone' });
  });
});
