import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../cli/command-line.js';
import { type FakeGitHub, GITHUB_CREDENTIAL, openFakeGitHub } from '../rotator/fake-github.js';
import { type FakeGitLab, GITLAB_CREDENTIAL, openFakeGitLab } from '../rotator/fake-gitlab.js';
import type { LoopbackForge } from '../rotator/loopback-forge.js';
import { freePort } from '../setup/free-port.js';
import type { ListeningService } from '../setup/listening.js';
import { makePlace, type Place, recipe, start } from './place.js';
import { openWorld } from './world.js';
import { member, readYaml, text, type Yaml } from './yaml.js';

const GITHUB_STEPS = member(readYaml(recipe('github-actions/rotate.yml')), 'jobs', 'rotate', 'steps');
const GITLAB_LINES = member(readYaml(recipe('gitlab-ci/agent.yml')), 'rotate-agent-token', 'script');

let service: ListeningService;
let rotator: { id: string; token: string };
let github: FakeGitHub;
let gitlab: FakeGitLab;

beforeAll(async () => {
  service = await openWorld();
  await service.makeWorkflow('token-rotation', {});
  rotator = await service.seedToken({ workflow: 'token-rotation', scopes: ['tokens:read', 'tokens:rotate'] });
  github = await openFakeGitHub();
  gitlab = await openFakeGitLab();
});

beforeEach(() => {
  for (const forge of [github, gitlab]) forge.intercept = () => undefined;
  github.secrets.clear();
  gitlab.variables = [];
});

afterAll(async () => {
  await github?.close();
  await gitlab?.close();
  await service.close();
});

interface Rotation {
  readonly title: string;
  readonly credential: string;
  forge(): LoopbackForge;
  /** What the forge holds for the repository or project of this name. */
  stored(name: string): string | undefined;
  run(place: Place, name: string, env: Readonly<Record<string, string>>): ReturnType<typeof start>['ended'];
}

const ROTATIONS: readonly Rotation[] = [
  {
    title: 'GitHub Actions',
    credential: GITHUB_CREDENTIAL,
    forge: () => github,
    stored: (name) => github.secrets.get(`/repos/${name}/actions/secrets/COUNTERSIGN_TOKEN`)?.value,
    run: (place, name, env) => gitHubStep(place, "Rotate the agent's token", name, { ...env }),
  },
  {
    title: 'GitLab CI',
    credential: GITLAB_CREDENTIAL,
    forge: () => gitlab,
    stored: () => gitlab.variables.find(({ key }) => key === 'COUNTERSIGN_TOKEN')?.value,
    run: (place, name, env) => {
      gitlab.project = name;
      const lines = listed(GITLAB_LINES).map((line) => text(line));
      const known = { AGENT_PROJECT: name, VARIABLES_WRITER: GITLAB_CREDENTIAL, CI_API_V4_URL: gitlab.url };
      return bash(place, lines.join('\n'), { ROTATOR_TOKEN: rotator.token, ...known, ...env });
    },
  },
];

function gitHubStep(place: Place, title: string, repository: string, env: Readonly<Record<string, string>>) {
  const step = listed(GITHUB_STEPS).find((one) => text(one, 'name').startsWith(title));
  const known = { GITHUB_REPOSITORY: repository, GITHUB_API_URL: github.url, GH_TOKEN: GITHUB_CREDENTIAL };
  return bash(place, text(step ?? null, 'run'), { COUNTERSIGN_TOKEN: rotator.token, ...known, ...env });
}

function listed(list: Yaml): Yaml[] {
  return Object.values(list ?? {}).filter((one) => typeof one === 'string' || 'name' in (one ?? {}));
}

function bash(place: Place, script: string, env: Readonly<Record<string, string>>) {
  const file = join(temporaryDirectory(), 'script');
  writeFileSync(file, script);
  const given = { ...place.env, COUNTERSIGN_URL: service.url, ...env };
  return start(place, ['bash', '--noprofile', '--norc', '-eo', 'pipefail', file], given).ended;
}

describe.each(ROTATIONS)('the rotation of an agent by $title', ({ title, credential, forge, stored, run }) => {
  const nameOf = (end: string) => `acme/${title.replaceAll(' ', '-')}${end}`;

  test('stores a successor, and shows it to nobody', async () => {
    const name = nameOf('');
    const { token, id } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name });
    await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name: 'acme/another' });
    const place = makePlace({ hasGuard: true });
    const { code, stdout, stderr } = await run(place, name, {});
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const fresh = stored(name) ?? '';
    expect(fresh).toMatch(/^cst_/);
    expect(fresh).not.toBe(token);
    expect(await service.client().introspect(fresh)).toMatchObject({ active: true, scope: 'codex:exec' });
    expect((await service.client().tokens.show(id)).status).toBe('rotating');
    expect(stdout + stderr).not.toContain(fresh);
    expect(stdout + stderr).not.toContain(credential);
    expect(place.filesWith(fresh)).toEqual([]);
  });

  test('can be run again when storing failed: what is stored is good, and the old one still is', async () => {
    const name = nameOf('-again');
    const { token } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name });
    const place = makePlace({ hasGuard: true });
    forge().intercept = ({ method }) => (method === 'PUT' ? { status: 500, body: { message: 'no' } } : undefined);
    expect((await run(place, name, {})).code).toBe(1);
    expect(stored(name)).toBeUndefined();
    forge().intercept = () => undefined;
    const { code, stderr } = await run(place, name, {});
    expect({ code, stderr }).toMatchObject({ code: 0 });
    for (const one of [stored(name) ?? '', token]) {
      expect(await service.client().introspect(one)).toMatchObject({ active: true });
    }
  });

  test('rotates nothing when the forge does not take the credential', async () => {
    const name = nameOf('-refused');
    const { id } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name });
    const refused = { GH_TOKEN: '', GITHUB_TOKEN: '', VARIABLES_WRITER: '' };
    expect((await run(makePlace({ hasGuard: true }), name, refused)).code).toBe(2);
    expect((await service.client().tokens.show(id)).status).toBe('active');
  });

  test('stores nothing when the service is out of reach, or the token is not found', async () => {
    const place = makePlace({ hasGuard: true });
    const away = { COUNTERSIGN_URL: `http://127.0.0.1:${await freePort()}` };
    expect((await run(place, 'acme/another', away)).code).toBe(69);
    expect((await run(place, 'acme/unknown', {})).code).toBe(1);
    expect(stored('acme/another')).toBeUndefined();
  });
});

test('the job that rotates by GitHub Actions rotates its own token too', async () => {
  const own = await service.seedToken({ workflow: 'token-rotation', scopes: ['tokens:read', 'tokens:rotate'] });
  const place = makePlace({ hasGuard: true });
  const env = { COUNTERSIGN_TOKEN: own.token };
  const { code, stdout, stderr } = await gitHubStep(place, "Rotate this job's own token", 'acme/api', env);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const path = '/repos/acme/api/environments/rotation/secrets/COUNTERSIGN_ROTATOR_TOKEN';
  const fresh = github.secrets.get(path)?.value ?? '';
  expect(await service.client().introspect(fresh)).toMatchObject({ active: true, scope: 'tokens:read tokens:rotate' });
  expect(stdout + stderr).not.toContain(fresh);
});
