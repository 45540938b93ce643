import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { createRepository } from './git-repository.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const home = temporaryDirectory();
const run = commandLineHere(home);

describe('scan --revoke', () => {
  let service: ListeningService;
  beforeAll(async () => {
    service = await createListeningService();
  });
  afterAll(() => service.close());

  test('revokes every token of ours that it finds, live, held back, allowed or dead, and says which was live', async () => {
    const env = { COUNTERSIGN_URL: service.url };
    const [live, allowed, dead] = [await service.seedToken(), await service.seedToken(), await service.seedToken()];
    const unknown = looseToken();
    await service.makeWorkflow('paused');
    const paused = await service.seedToken({ workflow: 'paused' });
    await service.client().workflows.pause('paused');
    await service.client().tokens.revoke(dead.id, { reason: 'other' });

    const { directory, write, commit } = createRepository(join(home, 'repository'));
    write('a', `${live.token}\n${live.token}\n${dead.token} ${unknown.token}`);
    write('wide', Buffer.from(paused.token, 'utf16le'));
    write('b', allowed.token);
    commit('leak');
    const first = await run(['scan', '--history', '--json', directory], { env });
    const named = JSON.parse(first.stdout).findings.find((one: { token_id: string }) => one.token_id === allowed.id);
    writeFileSync(join(directory, '.countersign-allow'), `${named.fingerprint} # known\n`);

    const outcome = await run(['scan', '--history', '--revoke', '--yes', '--json', directory], { env });
    expect(outcome.code).toBe(1);
    const { revocations, findings } = JSON.parse(outcome.stdout);
    expect(findings.map((one: { token_id: string }) => one.token_id)).not.toContain(allowed.id);
    const by = (token_id: string, was_active: boolean) => ({ token_id, was_active, revoked: true });
    expect(revocations).toHaveLength(5);
    expect(revocations).toEqual(
      expect.arrayContaining([
        by(live.id, true),
        by(allowed.id, true),
        by(dead.id, false),
        by(paused.id, false),
        by(unknown.id, false),
      ]),
    );
    await service.client().workflows.resume('paused');
    for (const { id, token } of [live, allowed, paused]) {
      expect((await service.client().tokens.show(id)).status).toBe('revoked');
      expect(await service.client().introspect(token)).toEqual({ active: false });
      expect(outcome.stdout + outcome.stderr).not.toContain(token);
    }
    expect(outcome.stderr).toContain(`${live.id} is revoked: it was active`);
  });

  test('asks nobody where there is no terminal, before it reads anything', async () => {
    const { id, token } = await service.seedToken();
    const file = join(home, 'asked');
    writeFileSync(file, token);
    const outcome = await run(['scan', '--revoke', file], { env: { COUNTERSIGN_URL: service.url } });
    expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('--yes') });
    expect((await service.client().tokens.show(id)).status).toBe('active');
  });
});

describe('scan --revoke, when something goes wrong', () => {
  const service = scriptedService();
  const tokens = [looseToken(), looseToken(), looseToken()];
  const args = ['scan', '--revoke', '--yes', '--json', join(home, 'three')];
  const go = async () => await run(args, { env: { COUNTERSIGN_URL: service.url } });
  beforeAll(() => {
    mkdirSync(join(home, 'three'));
    writeFileSync(join(home, 'three', 'leaked'), tokens.map(({ token }) => token).join('\n'));
  });

  test('goes on behind the token that is refused, and exits as the refusal does', async () => {
    service.follow(({ route, body }) => {
      if (route === 'POST /oauth2/introspect') return problem(401, 'unauthenticated', 'no');
      const isSecond = body.includes(tokens[1]?.token ?? '');
      return isSecond ? problem(403, 'forbidden', 'not this one') : { status: 200 };
    });
    const outcome = await go();
    expect(outcome.code).toBe(77);
    expect(JSON.parse(outcome.stdout).revocations.map(({ revoked }: { revoked: boolean }) => revoked)).toEqual([
      true,
      false,
      true,
    ]);
    expect(outcome.stderr).toContain('2 of 3 are revoked');
  });

  test('stops where the service is out of reach, and says what is not revoked', async () => {
    service.follow(({ route }) => (route === 'POST /oauth2/introspect' ? problem(401, 'x', 'no') : 'lost'));
    const outcome = await go();
    expect(outcome.code).toBe(69);
    expect(outcome.stderr).toContain(`${tokens[2]?.id} is NOT revoked`);
    expect(new Set(service.received.map(({ body }) => body)).size).toBe(1);
    for (const { token } of tokens) expect(outcome.stdout + outcome.stderr).not.toContain(token);
  });
});
