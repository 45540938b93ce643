import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandLine, MAIN, temporaryDirectory } from './command-line.js';

const home = temporaryDirectory();
const run = commandLine(home);
let service: ChildProcess;
let url = '';

beforeAll(async () => {
  service = spawn(process.execPath, [MAIN, 'serve', '--json'], {
    cwd: home,
    env: {
      PATH: process.env['PATH'],
      HOME: home,
      PORT: '0',
      LOG_LEVEL: 'warn',
      COUNTERSIGN_DATA_DIR: join(home, 'data'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (service.stdout === null) throw new Error('serve has no standard output');
  const [line] = await once(createInterface({ input: service.stdout }), 'line');
  const listening = JSON.parse(String(line));
  url = listening.url;
  const owner = await readFile(listening.token_file, 'utf8');
  const login = await run(['auth', 'login', '--with-token'], { env: { COUNTERSIGN_URL: url }, input: owner });
  expect(login.code).toBe(0);
});

afterAll(async () => {
  if (service.exitCode !== null || service.signalCode !== null) return;
  const exited = once(service, 'exit');
  service.kill('SIGTERM');
  await exited;
});

async function json(args: readonly string[], input = '') {
  const outcome = await run([...args, '--json'], { input });
  return { code: outcome.code, body: JSON.parse(outcome.stdout) };
}

test('a token from mint to revocation, against the service itself', async () => {
  await json(['workflow', 'set', 'codex-review', '--allow-scope', 'repo:*', '--repository', 'acme/*']);
  const kept = await json(['workflow', 'set', 'codex-review', '--expiry-days', '7', '14']);
  expect(kept.body).toMatchObject({ allowed_scopes: ['repo:*'], constraints: { repositories: ['acme/*'] } });

  const minted = (await run(['token', 'mint', '--workflow', 'codex-review', '--scope', 'repo:read'])).stdout;
  const first = await json(['token', 'introspect'], minted);
  expect(first).toMatchObject({ code: 0, body: { active: true, workflow: 'codex-review', scope: 'repo:read' } });
  expect(first.body.exp - first.body.iat).toBe(14 * 86_400);

  const env = { COUNTERSIGN_URL: url, COUNTERSIGN_TOKEN: minted.trim() };
  const job = ['exec', '--workflow', 'codex-review', '--scope', 'repo:read', '--repository', 'acme/shop'];
  expect(await run([...job, '--', 'sh', '-c', 'exit 5'], { env })).toMatchObject({ code: 5 });
  expect((await run([...job, '--scope', 'codex:exec', '--', 'true'], { env })).code).toBe(77);
  const checks = await run(['exec-check', 'list', '--token', 'self'], { env });
  expect(checks.stdout.split('\n').map((line) => line.split('\t').slice(2, 4))).toEqual([
    ['deny', 'scope_missing'],
    ['allow', 'exit 5'],
    [],
  ]);

  const rotated = (await run(['token', 'rotate', first.body.jti])).stdout;
  const list = await json(['token', 'list', '--workflow', 'codex-review']);
  expect(list.body.data.map((token: { status: string }) => token.status)).toEqual(['active', 'rotating']);

  expect((await run(['token', 'revoke', '--stdin'], { env: { COUNTERSIGN_URL: url }, input: rotated })).code).toBe(0);
  expect(await json(['token', 'introspect'], rotated)).toEqual({ code: 1, body: { active: false } });
  expect((await json(['revoke-all', '--workspace', '--reason', 'leaked', '--dry-run'])).body.revoked).toBe(2);
  expect((await json(['revoke-all', '--workflow', 'codex-review', '--reason', 'leaked', '--yes'])).body.revoked).toBe(
    1,
  );
  const explained = await json(['token', 'explain', first.body.jti]);
  expect(explained.body).toMatchObject({ status: 'revoked' });
});

test('a person from invitation to removal', async () => {
  const invitation = (await run(['member', 'add', 'grace@acme.example', '--role', 'member'])).stdout;
  const grace = commandLine(temporaryDirectory());
  const env = { COUNTERSIGN_URL: url };
  expect((await grace(['member', 'accept'], { env, input: invitation })).code).toBe(0);
  expect((await grace(['auth', 'status'])).code).toBe(0);
  expect((await grace(['member', 'list'])).code).toBe(77);
  expect((await run(['member', 'suspend', 'grace@acme.example'])).code).toBe(0);
  expect((await grace(['auth', 'status'])).code).toBe(1);
  expect((await run(['member', 'remove', 'grace@acme.example'])).code).toBe(0);
});

test('the audit trail of all this is whole, and holds what was signed', async () => {
  const file = join(home, 'checkpoint.jws');
  await writeFile(file, (await run(['audit', 'checkpoint'])).stdout);
  await run(['workflow', 'pause', 'codex-review']);
  const verified = await json(['audit', 'verify', '--checkpoint', file]);
  expect(verified).toMatchObject({ code: 0, body: { ok: true, checkpoint: { seq: verified.body.events - 1 } } });
  const last = await json(['audit', 'list', '--limit', '1']);
  expect(last.body.data).toMatchObject([{ action: 'workflow.paused', seq: verified.body.events }]);
});
