import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runnerCredentials, writeRunnerFile } from '../../src/cli/runner-file.js';
import { askGuard } from '../../src/hook/ask-guard.js';
import { runFederatedGuard } from '../../src/runner/federated-guard.js';
import type { GuardOptions } from '../../src/runner/guard.js';
import { idTokenSource } from '../../src/runner/id-token-source.js';
import { createClient, createProver, generateProofKey } from '../../src/sdk/index.js';
import { eventOf } from '../hook/events.js';
import { makeIdentity } from '../setup/identity.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { guard } from './harness.js';

let service: ListeningService;
const directory = mkdtempSync(join(tmpdir(), 'countersign-trusted-'));

beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('tests', { allowed_scopes: ['codex:*'] });
});
afterAll(async () => {
  service.service.drain();
  await service.close();
  rmSync(directory, { recursive: true });
});

/** A host that has joined, and what it keeps. */
async function joined(name: string, labels: string[] = []) {
  const key = await generateProofKey();
  const asking = createClient({ url: service.url, prover: await createProver(key) });
  const { id, user_code } = await asking.enrolments.enrol({ name, labels });
  await service.client().enrolments.approve({ user_code });
  const redeemed = await asking.enrolments.redeem(id);
  if (!('token' in redeemed)) throw new Error('not approved');
  const path = join(directory, `${name}.json`);
  const { token, expires_at } = redeemed;
  await writeRunnerFile(path, { url: service.url, key, runner: { id: redeemed.runner.id, name, token, expires_at } });
  return { id: redeemed.runner.id, path, credentials: () => runnerCredentials(path, service.url) };
}

async function jobOn(runners: string[] | undefined) {
  const constraints = runners === undefined ? {} : { constraints: { runners } };
  const { token } = await service.seedToken({ workflow: 'tests', scopes: ['codex:exec'], ...constraints });
  return { token, env: { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: token } };
}

describe('on a trusted runner', () => {
  test('a job runs whose token is bound to it; elsewhere it does not start', async () => {
    const host = await joined('build-1', ['gpu']);
    const job = await jobOn(['gpu']);
    const command = ['sh', '-c', 'echo ran'];
    const there = guard(service, { ...job, command, runner: await host.credentials() });
    expect([await there.exitCode, there.stdout.text]).toEqual([0, 'ran\n']);
    const elsewhere = guard(service, { ...job, command });
    expect([await elsewhere.exitCode, elsewhere.stdout.text]).toEqual([77, '']);
    expect(elsewhere.stderr.text).toContain('runner_not_allowed');
    const { data } = await service.client().execChecks.list({ workflow: 'tests', decision: 'allow' });
    expect(data[0]).toMatchObject({ exit_code: 0 });
  });

  test('a federated job runs whose rule binds its token to it; elsewhere it does not start', async () => {
    const host = await joined('build-federated', ['arm']);
    const identity = await makeIdentity('https://ci.acme.example');
    await service.client().trustRules.put('on-arm', {
      issuer: identity.issuer,
      claims: { sub: 'on-arm' },
      workflow: 'tests',
      scopes: ['codex:exec'],
      constraints: { runners: ['arm'] },
      jwks: identity.jwks,
    });
    const job = async (runner: GuardOptions['runner']) => {
      const idToken = await identity.token(service.url, { sub: 'on-arm' }, service.clock.now());
      const source = idTokenSource({ COUNTERSIGN_ID_TOKEN: idToken }, { platform: undefined, variable: undefined });
      if (source.platform === undefined) throw new Error(source.fault);
      const command = ['sh', '-c', 'echo ran'];
      return guard(service, { command, runner }, (options, streams) =>
        runFederatedGuard({ ...options, source, audience: undefined, rule: undefined }, streams),
      );
    };
    const there = await job(await host.credentials());
    expect([await there.exitCode, there.stdout.text]).toEqual([0, 'ran\n']);
    const elsewhere = await job(undefined);
    expect([await elsewhere.exitCode, elsewhere.stdout.text]).toEqual([77, '']);
    expect(elsewhere.stderr.text).toContain('runner_not_allowed');
  });

  test('the command learns nothing of where the host keeps its key', async () => {
    const host = await joined('build-2');
    const job = await jobOn(undefined);
    const env = { ...job.env, COUNTERSIGN_RUNNER_FILE: host.path };
    const run = guard(service, { ...job, env, command: ['env'], runner: await host.credentials() });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout.text).not.toContain('RUNNER_FILE');
    expect(run.stdout.text).not.toContain(host.path);
  });

  test('nothing starts while the runner is suspended, and it is said why', async () => {
    const host = await joined('build-3');
    const job = await jobOn(undefined);
    await service.client().runners.suspend(host.id);
    const run = guard(service, { ...job, command: ['sh', '-c', 'echo ran'], runner: await host.credentials() });
    expect([await run.exitCode, run.stdout.text]).toEqual([77, '']);
    expect(run.stderr.text).toContain('countersign runner status');
  });

  test('the hooks of an agent are answered, and denied everything once the runner is suspended', async () => {
    const host = await joined('build-4');
    const job = await jobOn(['build-4']);
    const command = ['sh', '-c', 'echo "at $COUNTERSIGN_GUARD_SOCKET."; exec sleep 1000'];
    const run = guard(service, { ...job, command, runner: await host.credentials() });
    await run.stdout.shows('.\n');
    const socket = /at (.*)\.\n/.exec(run.stdout.text)?.[1] ?? '';
    const ask = async () => (await askGuard(socket, { event: eventOf('PreToolUse') })).verdict;
    expect(await ask()).toBe('silent');
    await service.client().runners.suspend(host.id);
    expect(await ask()).toBe('deny');
    expect(await run.exitCode).toBe(77);
  });

  test.each(['suspend', 'remove'] as const)('a running job is stopped by %s', async (verb) => {
    const host = await joined(`build-${verb}`);
    const job = await jobOn(undefined);
    const command = ['sh', '-c', 'echo started; exec sleep 1000'];
    const run = guard(service, { ...job, command, runner: await host.credentials() });
    await run.stdout.shows('started');
    await service.client().runners[verb](host.id);
    expect(await run.exitCode).toBe(77);
  });
});
