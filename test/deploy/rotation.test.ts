import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../cli/command-line.js';
import { freePort } from '../setup/free-port.js';
import type { ListeningService } from '../setup/listening.js';
import { makePlace, type Place, recipe, start, writeProgram } from './place.js';
import { openWorld } from './world.js';
import { member, readYaml, text, type Yaml } from './yaml.js';

const GITHUB_STEPS = member(readYaml(recipe('github-actions/rotate.yml')), 'jobs', 'rotate', 'steps');
const GITLAB_LINES = member(readYaml(recipe('gitlab-ci/agent.yml')), 'rotate-agent-token', 'script');

let service: ListeningService;
let rotator: { id: string; token: string };

beforeAll(async () => {
  service = await openWorld();
  await service.makeWorkflow('token-rotation', {});
  rotator = await service.seedToken({ workflow: 'token-rotation', scopes: ['tokens:read', 'tokens:rotate'] });
});

afterAll(async () => {
  await service.close();
});

/** What stands in for `gh` and `curl`: puts the secret that it is given into `stored`, or fails when it has to. */
const STORE = `#!/bin/sh
[ "\${STORE_FAILS:-}" = "" ] || exit 22
echo "$@" >"$HOME/arguments"
cat >"$HOME/stored"
`;

interface Rotation {
  readonly title: string;
  run(place: Place, name: string, env: Readonly<Record<string, string>>): ReturnType<typeof start>['ended'];
}

const ROTATIONS: readonly Rotation[] = [
  {
    title: 'GitHub Actions',
    run: (place, name, env) => {
      const step = listed(GITHUB_STEPS).find((one) => text(one, 'name').startsWith("Rotate the agent's token"));
      return bash(place, text(step ?? null, 'run'), {
        GITHUB_REPOSITORY: name,
        COUNTERSIGN_TOKEN: rotator.token,
        ...env,
      });
    },
  },
  {
    title: 'GitLab CI',
    run: (place, name, env) => {
      const lines = listed(GITLAB_LINES).map((line) => text(line));
      const known = {
        AGENT_PROJECT: name,
        VARIABLES_WRITER: 'the writer',
        CI_API_V4_URL: 'https://gitlab.example/api/v4',
      };
      return bash(place, lines.join('\n'), { ROTATOR_TOKEN: rotator.token, ...known, ...env });
    },
  },
];

function listed(list: Yaml): Yaml[] {
  return Object.values(list ?? {}).filter((one) => typeof one === 'string' || 'name' in (one ?? {}));
}

function bash(place: Place, script: string, env: Readonly<Record<string, string>>) {
  const file = join(temporaryDirectory(), 'script');
  writeFileSync(file, script);
  const given = { ...place.env, COUNTERSIGN_URL: service.url, ...env };
  return start(place, ['bash', '--noprofile', '--norc', '-eo', 'pipefail', file], given).ended;
}

function rotationPlace() {
  const place = makePlace({ hasGuard: true });
  for (const name of ['gh', 'curl']) writeProgram(join(place.bin, name), STORE);
  return { place, stored: join(place.env['HOME'] ?? '', 'stored'), given: join(place.env['HOME'] ?? '', 'arguments') };
}

describe.each(ROTATIONS)('the rotation of an agent by $title', ({ title, run }) => {
  test('stores a successor, and shows it to nobody', async () => {
    const name = `acme/${title.replaceAll(' ', '-')}`;
    const { token, id } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name });
    await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name: 'acme/another' });
    const { place, stored, given } = rotationPlace();
    const { code, stdout, stderr } = await run(place, name, {});
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const fresh = readFileSync(stored, 'utf8').trim();
    expect(fresh).not.toBe(token);
    expect(await service.client().introspect(fresh)).toMatchObject({ active: true, scope: 'codex:exec' });
    expect((await service.client().tokens.show(id)).status).toBe('rotating');
    const shown = stdout.replace(`::add-mask::${fresh}\n`, '') + stderr + readFileSync(given, 'utf8');
    expect(shown).not.toContain(fresh);
    expect(place.filesWith(fresh)).toEqual([stored]);
  });

  test('can be run again when storing failed: what is stored is good, and the old one still is', async () => {
    const name = `acme/${title.replaceAll(' ', '-')}-again`;
    const { token } = await service.seedToken({ workflow: 'codex-review', scopes: ['codex:exec'], name });
    const { place, stored } = rotationPlace();
    expect((await run(place, name, { STORE_FAILS: 'yes' })).code).toBe(22);
    expect(existsSync(stored)).toBe(false);
    expect((await run(place, name, {})).code).toBe(0);
    for (const one of [readFileSync(stored, 'utf8').trim(), token]) {
      expect(await service.client().introspect(one)).toMatchObject({ active: true });
    }
  });

  test('stores nothing when the service is out of reach, or the token is not found', async () => {
    const { place, stored } = rotationPlace();
    const away = { COUNTERSIGN_URL: `http://127.0.0.1:${await freePort()}` };
    expect((await run(place, 'acme/another', away)).code).toBe(69);
    expect((await run(place, 'acme/unknown', {})).code).toBe(1);
    expect(existsSync(stored)).toBe(false);
  });
});

test('the job that rotates by GitHub Actions rotates its own token too', async () => {
  const own = await service.seedToken({ workflow: 'token-rotation', scopes: ['tokens:read', 'tokens:rotate'] });
  const { place, stored } = rotationPlace();
  const step = listed(GITHUB_STEPS).find((one) => text(one, 'name').startsWith("Rotate this job's own token"));
  const env = { GITHUB_REPOSITORY: 'acme/api', COUNTERSIGN_TOKEN: own.token };
  expect((await bash(place, text(step ?? null, 'run'), env)).code).toBe(0);
  const answer = await service.client().introspect(readFileSync(stored, 'utf8').trim());
  expect(answer).toMatchObject({ active: true, scope: 'tokens:read tokens:rotate' });
});
