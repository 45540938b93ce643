import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { askGuard } from '../../src/hook/ask-guard.js';
import { runFederatedGuard } from '../../src/runner/federated-guard.js';
import { ID_TOKEN_VARIABLES, idTokenSource } from '../../src/runner/id-token-source.js';
import type { Client } from '../../src/sdk/index.js';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';
import { eventOf } from '../hook/events.js';
import { type Identity, makeIdentity } from '../setup/identity.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { Sink, UNLESS_SAID } from './harness.js';

/** The shortest that a rule can give: what a run takes is far longer, and so is the platform's token's five minutes. */
const TOKEN_SECONDS = 60;

let service: TestService;
let server: Server;
let url: string;
let identity: Identity;

beforeAll(async () => {
  service = await createTestService();
  identity = await makeIdentity('https://ci.acme.example');
  server = createAdaptorServer({ fetch: service.service.app.fetch }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  service.service.drain();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
  removeTemporaryDirectories();
});

let count = 0;

/** A job that got its token by a trust rule of its own, and goes on until it is told to end. */
async function job(setter: Client = service.client()) {
  count += 1;
  const name = `long-${count}`;
  await service.makeWorkflow(name);
  const rule = {
    issuer: identity.issuer,
    claims: { sub: name },
    workflow: name,
    scopes: ['codex:exec'],
    expires_in_seconds: TOKEN_SECONDS,
    jwks: identity.jwks,
  };
  await setter.trustRules.put(name, rule);
  const idToken = await identity.token(ISSUER, { sub: name }, service.clock.now());
  const source = idTokenSource({ COUNTERSIGN_ID_TOKEN: idToken }, { platform: undefined, variable: undefined });
  if (source.platform === undefined) throw new Error(source.fault);
  const directory = temporaryDirectory();
  const [end, handed] = [join(directory, 'end'), join(directory, 'handed')];
  const script = `printf %s "$HANDED" >'${handed}'; echo "at $COUNTERSIGN_GUARD_SOCKET."; until test -e '${end}'; do sleep 0.05; done; exit 3`;
  const stdout = new Sink();
  const stderr = new Sink();
  const exitCode = runFederatedGuard(
    {
      url,
      source,
      audience: undefined,
      rule: undefined,
      workflow: name,
      scopes: ['codex:exec'],
      context: {},
      command: ['sh', '-c', script],
      env: { PATH: process.env['PATH'] },
      hiddenVariables: ID_TOKEN_VARIABLES,
      ...UNLESS_SAID,
      passTokenAs: 'HANDED',
      killAfterSeconds: 1,
    },
    { stdout, stderr },
  );
  const finish = async () => {
    writeFileSync(end, '');
    return await exitCode;
  };
  onTestFinished(async () => void (await finish()));
  await Promise.race([stdout.shows('.\n'), exitCode.then(() => Promise.reject(new Error(stderr.text)))]);
  const { data } = await service.client().runs.list({ workflow: name });
  const [run] = data;
  if (run?.token_id == null) throw new Error('there is no run');
  const socket = /at (.*)\.\n/.exec(stdout.text)?.[1] ?? '';
  const ask = () => askGuard(socket, { event: eventOf('PreToolUse', {}) });
  const shown = () => service.client().runs.show(run.run_id);
  const token = { id: run.token_id, printed: readFileSync(handed, 'utf8') };
  return { name, rule, stderr, exitCode, finish, ask, shown, runId: run.run_id, token };
}

/** Past the end of the token, while the lease still lasts. */
async function outlive({ token, ask }: Awaited<ReturnType<typeof job>>): Promise<void> {
  service.clock.advance(TOKEN_SECONDS + 1);
  expect((await service.client().tokens.show(token.id)).status).toBe('expired');
  expect(await ask()).toEqual({ verdict: 'silent' });
}

test('a run goes on past the end of its token and of the platform token, with renewals, hooks and a watch that was lost, to its own end', async () => {
  const long = await job();
  await outlive(long);
  await expect(
    service.client(long.token.printed).execChecks.check({ workflow: long.name, scopes: ['codex:exec'] }),
  ).rejects.toMatchObject({ status: 401 });

  server.closeAllConnections();
  await long.stderr.shows('lost the service');
  await long.stderr.shows('the service is back');

  for (let minutes = 1; minutes <= 6; minutes += 1) {
    service.clock.advance(60);
    const before = await long.shown();
    expect(await long.ask()).toEqual({ verdict: 'silent' });
    const after = await long.shown();
    expect(after.status).toBe('running');
    expect(Date.parse(after.lease_ends_at)).toBeGreaterThan(Date.parse(before.lease_ends_at));
  }

  await service.client().workflows.putToolRules(long.name, { default: 'deny', rules: [] });
  expect(await long.ask()).toMatchObject({ verdict: 'deny' });
  expect(await long.finish()).toBe(3);
  expect(await long.shown()).toMatchObject({ status: 'finished', exit_code: 3 });
  const { data } = await service.client().runs.toolDecisions(long.runId);
  expect(data.map(({ decision }) => decision)).toEqual(['deny', ...Array.from({ length: 7 }, () => 'allow')]);
  expect(long.stderr.text).not.toContain('on record');
});

describe('a run under a token that has expired ends at once when', () => {
  const ends: [string, string, (run: Awaited<ReturnType<typeof job>>, setterId: string) => Promise<unknown>][] = [
    ['the token is revoked', 'revoked', ({ token }) => service.client().tokens.revoke(token.id, { reason: 'leaked' })],
    ['whoever holds the token revokes it', 'revoked', ({ token }) => service.client(null).revoke(token.printed)],
    ['its trust rule is removed', 'revoked', ({ name }) => service.client().trustRules.remove(name)],
    [
      'its trust rule is changed',
      'revoked',
      ({ name, rule }) => service.client().trustRules.put(name, { ...rule, claims: { sub: 'another' } }),
    ],
    ['its workflow is paused', 'paused', ({ name }) => service.client().workflows.pause(name)],
    ['who set the rule is suspended', 'suspended', (_run, setterId) => service.client().members.suspend(setterId)],
    ['who set the rule is removed', 'revoked', (_run, setterId) => service.client().members.remove(setterId)],
    ['it is stopped itself', 'stopped', ({ runId }) => service.client().runs.stop(runId)],
  ];
  test.each(ends)('%s', async (_title, code, end) => {
    const setter = await service.makeMember('admin');
    const long = await job(service.client(setter.token));
    await outlive(long);
    await end(long, setter.id);
    expect(await long.exitCode).toBe(77);
    expect(long.stderr.text).toContain(`countersign: stopping the command (${code}): `);
    expect(await long.ask()).toMatchObject({ verdict: 'deny' });
  });
});
