import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../setup/free-port.js';
import { createTestService, type TestService } from '../setup/service.js';
import { guard, isLiving, numberAfter } from './harness.js';

let service: TestService;
let server: Server;
let url: string;

beforeAll(async () => {
  service = await createTestService();
  server = createAdaptorServer({ fetch: service.service.app.fetch }) as Server;
  // The test that restarts the service needs the same one twice.
  url = await listen(await freePort());
});

afterAll(async () => {
  service.service.drain();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

async function listen(port: number): Promise<string> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stopRunOf(workflow: string): Promise<void> {
  const { data } = await service.client().runs.list({ workflow });
  for (const { run_id } of data) await service.client().runs.stop(run_id);
}

let count = 0;

/** A workflow and a token of its own, and a command under the guard. */
async function job(over: { command?: string[]; creator?: string; scopes?: string[] } = {}) {
  count += 1;
  const workflow = `job-${count}`;
  await service.makeWorkflow(workflow);
  const mint = { workflow, scopes: ['codex:exec'], expires_in_days: 7 };
  const minted = await service.client(over.creator).tokens.mint(mint);
  const command = over.command ?? ['sh', '-c', 'echo pid $$; exec sleep 1000'];
  const run = guard(
    { url },
    {
      command,
      token: minted.token,
      workflow,
      scopes: over.scopes ?? ['codex:exec'],
      env: { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: minted.token },
    },
  );
  const recorded = async () => {
    const { data } = await service.client().execChecks.list({ workflow });
    return data[0];
  };
  return { ...run, workflow, id: minted.id, recorded };
}

test('an allowed job runs, and its end is on record', async () => {
  const run = await job({ command: ['sh', '-c', 'echo $COUNTERSIGN_CHECK_ID; exit 3'] });
  expect(await run.exitCode).toBe(3);
  expect(run.stderr.text).toBe('');
  const check = await run.recorded();
  expect(check).toMatchObject({ decision: 'allow', exit_code: 3, signal: null });
  expect(run.stdout.text).toBe(`${check?.check_id}\n`);
});

test('a scope that the token does not hold: nothing starts, the denial is on record', async () => {
  const run = await job({ command: ['echo', 'started'], scopes: ['codex:exec', 'repo:write'] });
  expect(await run.exitCode).toBe(77);
  expect(run.stdout.text).toBe('');
  expect(run.stderr.text).toMatch(/^countersign: refused \(scope_missing\): .*repo:write.*\n$/);
  expect(await run.recorded()).toMatchObject({ decision: 'deny' });
});

test('a token that was revoked before starts nothing', async () => {
  const { token, id } = await service.seedToken();
  await service.client().tokens.revoke(id, { reason: 'unused' });
  const run = guard({ url }, { command: ['echo', 'started'], token, workflow: 'nightly', scopes: [] });
  expect(await run.exitCode).toBe(77);
  expect(run.stdout.text).toBe('');
});

describe('a running job stops at once when', () => {
  const ends: [string, string, (run: Awaited<ReturnType<typeof job>>, creatorId: string) => Promise<unknown>][] = [
    ['its token is revoked', 'revoked', (run) => service.client().tokens.revoke(run.id, { reason: 'leaked' })],
    ['its workflow is paused', 'paused', (run) => service.client().workflows.pause(run.workflow)],
    ['its creator is suspended', 'suspended', (_run, creatorId) => service.client().members.suspend(creatorId)],
    ['its creator is removed', 'revoked', (_run, creatorId) => service.client().members.remove(creatorId)],
    ['it is stopped itself', 'stopped', (run) => stopRunOf(run.workflow)],
  ];
  test.each(ends)('%s', async (_title, code, end) => {
    const creator = await service.makeMember('admin');
    const run = await job({ creator: creator.token });
    await run.stdout.shows('\n');
    await end(run, creator.id);
    expect(await run.exitCode).toBe(77);
    expect(run.stderr.text).toContain(`countersign: stopping the command (${code}): `);
    expect(isLiving(numberAfter('pid', run.stdout.text))).toBe(false);
    expect(await run.recorded()).toMatchObject({ exit_code: null, signal: 'SIGTERM' });
  });
});

test('a job outlives a restart of the service, and a revocation in between stops it', async () => {
  const run = await job();
  await run.stdout.shows('\n');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await run.stderr.shows('lost the service');
  await service.client().tokens.revoke(run.id, { reason: 'leaked' });
  expect(isLiving(numberAfter('pid', run.stdout.text))).toBe(true);
  await listen(Number(new URL(url).port));
  expect(await run.exitCode).toBe(77);
  expect(run.stderr.text).toContain('stopping the command (revoked)');
});
