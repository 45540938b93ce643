import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Rotating } from '../../src/rotator/rotate-into.js';
import { parseRotations, type Rotation } from '../../src/rotator/rotator-config.js';
import { runRotations } from '../../src/rotator/run-rotations.js';
import { readWorkflowRotations } from '../../src/rotator/workflow-source.js';
import type { Client, WorkflowRotation } from '../../src/sdk/index.js';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';
import { commandLineHere } from '../cli/in-process.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { type FakeGitHub, GITHUB_CREDENTIAL, openFakeGitHub } from './fake-github.js';
import { type FakeVault, openFakeVault, VAULT_TOKEN } from './vault.js';

let service: ListeningService;
let vault: FakeVault;
let github: FakeGitHub;
let env: Record<string, string>;

beforeAll(async () => {
  service = await createListeningService();
  vault = await openFakeVault();
  github = await openFakeGitHub();
  env = {
    VAULT_ADDR: vault.url,
    VAULT_TOKEN,
    GH_TOKEN: GITHUB_CREDENTIAL,
    GITHUB_API_URL: github.url,
    COUNTERSIGN_URL: service.url,
    COUNTERSIGN_TOKEN: service.owner.printed,
  };
});
beforeEach(() => {
  vault.secrets.clear();
  vault.asked.length = 0;
  github.secrets.clear();
});
afterAll(async () => {
  await vault?.close();
  await github?.close();
  await service.close();
  removeTemporaryDirectories();
});

const ALLOWED = ['vault:kv/ci/**', 'github:acme/**'];
const home = temporaryDirectory();
const run = (args: readonly string[], over: Record<string, string> = {}, input = '') =>
  commandLineHere(home)(args, { env: { ...env, ...over }, input });
const rotator = (...args: string[]) => run(['rotator', '--json', ...args]);
const outcomesIn = (stdout: string): Record<string, string> =>
  Object.fromEntries(
    JSON.parse(stdout).rotations.map((one: Record<string, string>) => [one['subject'], one['outcome']]),
  );

let count = 0;
/** A workflow with a token, whose secret lives there. Gives its label too. */
async function placed(rotation: Partial<WorkflowRotation> & Pick<WorkflowRotation, 'into'>) {
  count += 1;
  const label = `placed-${count}`;
  const rotations = [{ if_expires_within_days: 60, ...rotation }];
  await service.makeWorkflow(label, { allowed_scopes: ['codex:*'], rotations });
  const named = rotation.name === undefined ? {} : { name: rotation.name };
  return { label, ...(await service.seedToken({ workflow: label, scopes: ['codex:exec'], ...named })) };
}

const inVault = (path: string) => String(vault.secrets.get(path)?.data?.['token']);
const inGitHub = (name: string) => github.secrets.get(`/repos/acme/api/actions/secrets/${name}`)?.value ?? '';
const isActive = async (secret: string) => (await service.client(secret).introspect(secret)).active;
const successorOf = async (id: string) => (await service.client().tokens.show(id)).rotated_to;

function rotatingFrom(machine: string, client: Client = service.client()): Rotating {
  const clientOf = (secret: string) => service.client(secret);
  return { url: machine, client, own: service.owner.printed, clientOf, now: () => service.clock.now() };
}

/** What the service might say in the place of what it was told. */
function saying(label: string, rotations: readonly object[]): Client {
  const client = service.client();
  const show = async () => ({ ...(await client.workflows.show(label)), rotations: rotations as WorkflowRotation[] });
  return { ...client, workflows: { ...client.workflows, show } };
}

describe('the rotator reads from the workflows of the workspace', () => {
  test('what is due with where, and rotates it as by a configuration', async () => {
    const one = await placed({ into: ['vault:kv/ci/one#token', 'vault:kv/ci/two#token'] });
    const dry = await run(['rotator', '--from-workflows', one.label, '--allow-into', ...ALLOWED, '--dry-run']);
    expect(dry.stdout).toContain(`${one.label}: due (${one.id}`);
    expect(dry.stdout).toContain('  into vault:kv/ci/one#token\n  into vault:kv/ci/two#token\n');
    expect([dry.code, await successorOf(one.id), vault.secrets.size]).toEqual([0, null, 0]);

    const done = await run(['rotator', '--from-workflows', one.label, '--allow-into', ...ALLOWED]);
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('rotated: every sink has the new secret') });
    expect(done.stdout + done.stderr).not.toMatch(/cst_/);
    const secret = inVault('ci/one');
    expect([inVault('ci/two'), await isActive(secret)]).toEqual([secret, true]);
    expect(await successorOf(one.id)).toMatch(/^tok_/);

    await run(['workflow', 'set', one.label, '--rotate-before', '1']);
    const later = await rotator('--from-workflows', one.label, '--allow-into', ...ALLOWED);
    expect([later.code, outcomesIn(later.stdout)]).toEqual([0, { [one.label]: 'not_due' }]);
    expect(inVault('ci/one')).toBe(secret);
  });

  test('and refuses what --allow-into does not match, writes nothing of it, and does the others', async () => {
    const good = await placed({ into: ['vault:kv/ci/good#token'] });
    const bad = await placed({ name: 'a', into: ['vault:kv/ci/bad#token', 'github:evil/api/TOKEN'] });
    const { code, stdout } = await rotator('--from-workflows', good.label, bad.label, '--allow-into', ...ALLOWED);
    expect([code, outcomesIn(stdout)]).toEqual([1, { [good.label]: 'rotated', [`${bad.label} a`]: 'refused' }]);
    expect(JSON.parse(stdout).rotations[1]).toMatchObject({
      sinks: [{ sink: 'vault:kv/ci/bad#token', state: 'untouched' }, { sink: 'github:evil/api/TOKEN' }],
      error: { detail: 'github:evil/api/TOKEN is no place that --allow-into allows' },
    });
    expect([...vault.secrets.keys()]).toEqual(['ci/good']);
    expect(await successorOf(bad.id)).toBeNull();
    const told = await run(['rotator', '--from-workflows', bad.label, '--allow-into', ...ALLOWED, '--dry-run']);
    expect(told).toMatchObject({ code: 1, stdout: expect.stringContaining(`${bad.label} a: refused. github:evil`) });
  });

  test('and refuses what lacks its credential, and does the others', async () => {
    const [good, bad] = [
      await placed({ into: ['vault:kv/ci/good#token'] }),
      await placed({ into: ['github:acme/api/BAD'] }),
    ];
    const args = ['rotator', '--from-workflows', good.label, bad.label, '--allow-into', ...ALLOWED, '--json'];
    const { code, stdout } = await run(args, { GH_TOKEN: '' });
    expect([code, outcomesIn(stdout)]).toEqual([1, { [good.label]: 'rotated', [bad.label]: 'refused' }]);
    expect(stdout).toContain('GH_TOKEN or GITHUB_TOKEN is not set');
    expect(stdout).not.toContain(GITHUB_CREDENTIAL);
  });

  test('of all pages, and leaves those alone that are paused', async () => {
    const [one, other] = [
      await placed({ into: ['vault:kv/ci/p#token'] }),
      await placed({ into: ['vault:kv/ci/q#token'] }),
    ];
    const paused = await placed({ into: ['vault:kv/ci/r#token'] });
    await service.client().workflows.pause(paused.label);
    const client = service.client();
    const list: Client['workflows']['list'] = (query) => client.workflows.list({ ...query, limit: 1 });
    const paged = { ...client, workflows: { ...client.workflows, list } };
    const source = { labels: undefined, allowed: ALLOWED };
    const { rotations } = await readWorkflowRotations(paged, source, [], env);
    const titles = rotations.map(({ title }) => title);
    expect(titles).toEqual(expect.arrayContaining([one.label, other.label]));
    expect(titles).not.toContain(paused.label);
  });

  test('and does none of those that claim one place, unless its own configuration has it', async () => {
    const one = await placed({ into: ['github:acme/api/SHARED'] });
    const other = await placed({ into: ['github:ACME/api/shared', 'vault:kv/ci/other#token'] });
    const both = await rotator(
      '--from-workflows',
      one.label,
      other.label,
      '--allow-into',
      ...ALLOWED,
      'github:ACME/**',
    );
    expect([both.code, outcomesIn(both.stdout)]).toEqual([1, { [one.label]: 'refused', [other.label]: 'refused' }]);
    expect(both.stdout).toContain(`is claimed by ${one.label} and by ${other.label}`);
    expect([github.secrets.size, vault.secrets.size]).toEqual([0, 0]);

    const own = await service.seedToken({ scopes: ['codex:exec'] });
    const config = join(temporaryDirectory(), 'rotations.json');
    const entry = { token: own.id, into: ['github:acme/api/Shared'], if_expires_within_days: 60 };
    writeFileSync(config, JSON.stringify({ rotations: [entry] }));
    const args = ['--config', config, '--from-workflows', one.label, '--allow-into', ...ALLOWED];
    const mixed = await rotator(...args);
    expect([mixed.code, outcomesIn(mixed.stdout)]).toEqual([1, { [own.id]: 'rotated', [one.label]: 'refused' }]);
    expect(await isActive(inGitHub('SHARED'))).toBe(true);
    expect(await successorOf(one.id)).toBeNull();
  });

  test('and does a token that its own configuration has too by that alone, whichever way it names it', async () => {
    const one = await placed({ into: ['vault:kv/ci/theirs#token'] });
    const config = join(temporaryDirectory(), 'rotations.json');
    for (const subject of [{ token: one.id }, { workflow: one.label }]) {
      vault.secrets.clear();
      const entry = { ...subject, into: ['vault:kv/ci/ours#token'], every_days: 0 };
      writeFileSync(config, JSON.stringify({ rotations: [entry] }));
      const { code, stdout } = await rotator(
        '--config',
        config,
        '--from-workflows',
        one.label,
        '--allow-into',
        ...ALLOWED,
      );
      expect([code, JSON.parse(stdout).rotations]).toMatchObject([
        1,
        [{ outcome: 'rotated' }, { subject: one.label, outcome: 'failed', error: { detail: expect.any(String) } }],
      ]);
      expect(stdout).toContain('which goes before');
      expect([...vault.secrets.keys()]).toEqual(['ci/ours']);
    }
  });

  test.each([
    ['a file', { into: ['file:DIRECTORY/written'] }],
    ['a command', { into: ['exec:touch DIRECTORY/written'] }],
    ['no place at all', { into: [] }],
    ['a place that leads elsewhere', { into: ['vault:kv/ci/../prod#token'] }],
    ['another owner in disguise', { into: ['github:acme/../evil/TOKEN'] }],
    ['a time that is none', { into: ['vault:kv/ci/x#token'], every_days: -1 }],
    ['no time', { into: ['vault:kv/ci/x#token'], if_expires_within_days: undefined }],
  ])('and does not follow a service that says %s', async (_what, said) => {
    const one = await placed({ into: ['vault:kv/ci/x#token'] });
    const directory = temporaryDirectory();
    const into = said.into.map((place) => place.replace('DIRECTORY', directory));
    const client = saying(one.label, [{ if_expires_within_days: 60, ...said, into }]);
    const allowed = [...ALLOWED, 'vault:kv/**', 'github:acme/*/*'];
    const source = { labels: [one.label], allowed };
    const { rotations, refused } = await readWorkflowRotations(client, source, [], env);
    expect([rotations.length, refused.length, vault.asked.length]).toEqual([0, 1, 0]);
    expect(existsSync(join(directory, 'written'))).toBe(false);
  });

  test('and does not run a command that the service names to try the secret with', async () => {
    const one = await placed({ into: ['vault:kv/ci/x#token'] });
    const path = join(temporaryDirectory(), 'written');
    const rotation = { into: ['vault:kv/ci/x#token'], if_expires_within_days: 60, smoke_test: `touch ${path}` };
    const client = saying(one.label, [rotation]);
    const { rotations } = await readWorkflowRotations(client, { labels: [one.label], allowed: ALLOWED }, [], env);
    const results = await runRotations(rotatingFrom(service.url), rotations, false);
    expect(results).toMatchObject([{ ok: true, report: { outcome: 'rotated' } }]);
    expect(existsSync(path)).toBe(false);
  });
});

test('two rotators on two machines at once make one successor of each token', async () => {
  const all = await Promise.all(
    [1, 2, 3, 4, 5].map((at) =>
      placed({ into: [`vault:kv/ci/race/${at}#token`], every_days: 1, if_expires_within_days: 0 }),
    ),
  );
  service.clock.advance(2 * 86_400);
  const source = { labels: all.map(({ label }) => label), allowed: ALLOWED };
  const machine = async (name: string) => {
    const { rotations } = await readWorkflowRotations(service.client(), source, [], env);
    return await runRotations(rotatingFrom(name), rotations, false);
  };
  const results = (await Promise.all([machine('http://one.test'), machine('http://two.test')])).flat();
  for (const result of results) {
    const outcome = result.ok ? result.report.outcome : result.error;
    expect(['rotated', 'completed', 'not_due', 'busy']).toContain(outcome);
  }
  for (const [at, one] of all.entries()) {
    const secret = inVault(`ci/race/${at + 1}`);
    expect(await isActive(secret)).toBe(true);
    const { data } = await service.client().tokens.list({ workflow: one.label, limit: 200 });
    expect(data.filter(({ rotated_from }) => rotated_from === one.id)).toHaveLength(1);
    expect(data.filter(({ rotated_to }) => rotated_to === null)).toHaveLength(1);
  }
});

test('a file sink stays the privilege of a configuration beside the workflows', async () => {
  const own: Rotation[] = parseRotations({ rotations: [{ workflow: 'x', into: ['file:/tmp/x'], every_days: 1 }] }, env);
  const one = await placed({ into: ['vault:kv/ci/x#token'] });
  const client = saying(one.label, [{ into: ['file:/tmp/x'], every_days: 1 }]);
  const { refused } = await readWorkflowRotations(client, { labels: [one.label], allowed: ALLOWED }, own, env);
  expect(refused).toMatchObject([{ detail: expect.stringContaining('a file or a command') }]);
});

describe('the command', () => {
  test.each([
    [[], '--config FILE, --from-workflows, or both'],
    [['--from-workflows'], '--from-workflows --allow-into'],
    [['--allow-into', 'vault:kv/**'], 'goes with --from-workflows'],
    [['--from-workflows', '--allow-into', '**'], 'must begin with a kind'],
    [['--from-workflows', '--allow-into', 'file:/etc/**'], 'must begin with a kind'],
    [['--from-workflows', '--allow-into', 'github:acme/*'], '* stays between two slashes'],
  ])('refuses %j with exit 2', async (args, why) => {
    const { code, stderr } = await run(['rotator', ...args]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  });

  test('needs workflows:read, and a workflow that is there', async () => {
    const { token } = await service.seedToken({ scopes: ['tokens:read', 'tokens:rotate'] });
    const args = ['rotator', '--from-workflows', '--allow-into', ...ALLOWED];
    expect(await run(args, { COUNTERSIGN_TOKEN: token })).toMatchObject({ code: 77, stdout: '' });
    const missing = ['rotator', '--from-workflows', 'no-such', '--allow-into', ...ALLOWED];
    expect(await run(missing)).toMatchObject({ code: 1, stdout: '' });
  });

  test('does with a token of its own that reads workflows and rotates, and may do what it rotates', async () => {
    const one = await placed({ into: ['vault:kv/ci/least#token'] });
    const scopes = ['tokens:read', 'tokens:rotate', 'workflows:read'];
    const least = await service.seedToken({ scopes });
    const args = ['rotator', '--from-workflows', one.label, '--allow-into', 'vault:kv/ci/least#token'];
    expect(await run(args, { COUNTERSIGN_TOKEN: least.token })).toMatchObject({ code: 0 });
    expect(await isActive(inVault('ci/least'))).toBe(true);
  });
});
