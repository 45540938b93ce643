import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERSION } from '../../src/version.js';
import { freePort } from '../setup/free-port.js';
import type { ListeningService } from '../setup/listening.js';
import { buildkite } from './buildkite.js';
import { gitHubActions } from './github-actions.js';
import { gitLabCi } from './gitlab-ci.js';
import type { Platform } from './job.js';
import { makePlace } from './place.js';
import { openRegistry, type Registry } from './registry.js';
import { systemd } from './systemd.js';
import { expectNoTrace, makeJob, openWorld } from './world.js';

// Each recipe is run as its platform runs it, from the files that users copy, with the built command and a service.
const PLATFORMS: readonly Platform[] = [gitHubActions, gitLabCi('bash'), buildkite, systemd];
const INSTALLING = PLATFORMS.filter((platform) => platform.installs);

// What Git takes for a branch's name, and a shell for something else.
const HOSTILE_BRANCH = `-x/$(touch$IFS"pwned")\`touch$IFS'pwned'\`;touch\${IFS}pwned&&'"%0A::add-path::$PWD#é`;

let service: ListeningService;
let registry: Registry;

beforeAll(async () => {
  service = await openWorld();
  registry = await openRegistry([VERSION]);
});

afterAll(async () => {
  await registry.close();
  await service.close();
});

const job = (over?: Parameters<typeof makeJob>[1]) => makeJob(service, over);

describe.each([...PLATFORMS, gitLabCi('sh')])('$title', (platform) => {
  test('an allowed job runs, and its place and its end are on record', async () => {
    const { request, place, recorded } = await job({ env: { REVIEW_CODE: '5' } });
    const end = await platform.run(request);
    expect(end).toMatchObject({ code: 5 });
    expect(end.log).toContain('reviewed by');
    const check = await recorded();
    expect(check).toMatchObject({ decision: 'allow', exit_code: 5, scopes: ['codex:exec'] });
    expect(check?.context).toMatchObject(platform.context(request));
    expect(place.ran()).toContain(`COUNTERSIGN_CHECK_ID=${check?.check_id}`);
    expect(place.ran()).not.toMatch(/COUNTERSIGN_TOKEN|CREDENTIALS_DIRECTORY|the token of the job/);
    expect(place.commandLines()).toContain('review.sh');
    expect(place.commandLines()).not.toContain(request.token);
    expectNoTrace(request, end.log);
  });

  test('a job that is denied exits 77, and nothing of it runs', async () => {
    const { request, place, recorded } = await job({ repositories: ['acme/web'] });
    const end = await platform.run(request);
    expect(end.code).toBe(77);
    expect(place.ran()).toBeUndefined();
    expect(await recorded()).toMatchObject({ decision: 'deny' });
    expectNoTrace(request, end.log);
  });
});

describe.each(PLATFORMS)('$title', (platform) => {
  test('a job whose service is out of reach exits 69, and nothing of it runs', async () => {
    const { request, place } = await job({ url: `http://127.0.0.1:${await freePort()}` });
    const end = await platform.run(request);
    expect(end.code).toBe(69);
    expect(place.ran()).toBeUndefined();
    expectNoTrace(request, end.log);
  });

  test('a branch that is named like a command stays a name', async () => {
    const branch = platform === systemd ? HOSTILE_BRANCH.replace(/["'`]/g, '') : HOSTILE_BRANCH;
    const { request, place, recorded } = await job({ branch });
    const end = await platform.run(request);
    expect(end.code).toBe(0);
    expect((await recorded())?.context).toMatchObject({ ref: `refs/heads/${branch}` });
    expect(place.filesWith('').filter((path) => path.endsWith('pwned'))).toEqual([]);
    expectNoTrace(request, end.log);
  });
});

describe.each(PLATFORMS.filter((platform) => platform !== systemd))('$title', (platform) => {
  test('a branch name of two lines is refused, and nothing runs', async () => {
    const { request, place } = await job({ branch: 'main\nREVIEW_CODE=1\n::set-output name=verdict::ran' });
    expect((await platform.run(request)).code).toBe(77);
    expect(place.ran()).toBeUndefined();
  });
});

describe.each(INSTALLING)('$title', (platform) => {
  const npmEnv = () => ({ npm_config_registry: registry.url, npm_config_fetch_retries: '0' });
  const installs = { name: 'countersign', version: VERSION };

  test('the guard is installed without scripts of its packages, from the registry of the job and no other', async () => {
    const place = makePlace({ hasGuard: false });
    writeFileSync(join(place.checkout, '.npmrc'), 'registry=http://127.0.0.1:1/\nignore-scripts=false\n');
    const { request } = await job({ place, installs, env: { ...npmEnv(), npm_config_ignore_scripts: 'false' } });
    const end = await platform.run(request);
    expect(end.log).toContain('reviewed by');
    expect(end.code).toBe(0);
    expect(existsSync(join(place.env['HOME'] ?? '', 'script-ran'))).toBe(false);
    expectNoTrace(request, end.log);
  });

  test('when the guard cannot be installed the job exits 69, and nothing of it runs', async () => {
    const place = makePlace({ hasGuard: false });
    const env = { ...npmEnv(), npm_config_registry: `http://127.0.0.1:${await freePort()}` };
    const { request } = await job({ place, installs, env });
    const end = await platform.run(request);
    expect(end.code).toBe(69);
    expect(end.log).toContain('could not be installed');
    expect(place.ran()).toBeUndefined();
    expectNoTrace(request, end.log);
  });

  test('without a guard and without a package the job exits 69, and nothing of it runs', async () => {
    const place = makePlace({ hasGuard: false });
    const { request } = await job({ place });
    const end = await platform.run(request);
    expect(end.code).toBe(69);
    expect(place.ran()).toBeUndefined();
    expectNoTrace(request, end.log);
  });
});
