import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { VERSION } from '../../src/version.js';
import { temporaryDirectory } from '../cli/command-line.js';
import { DEPLOY, makePlace, recipe, start, writeProgram } from './place.js';
import { openRegistry, type Registry } from './registry.js';
import { member, readYaml, text } from './yaml.js';

const LATER = '999.0.0-rc.1';

let registry: Registry;

beforeAll(async () => {
  registry = await openRegistry([VERSION, LATER]);
});

afterAll(async () => {
  await registry.close();
});

/** Runs the script that all recipes install by. */
async function install(env: Readonly<Record<string, string>>, place = makePlace({ hasGuard: false })) {
  const directory = join(place.temporary, 'guard');
  mkdirSync(directory);
  const npm = { npm_config_registry: registry.url, npm_config_fetch_retries: '0' };
  const end = await start(place, ['sh', join(DEPLOY, 'ci/install.sh'), directory], { ...place.env, ...npm, ...env })
    .ended;
  return { ...end, directory };
}

test('a package is installed by its exact version, though a later one is there', async () => {
  const end = await install({ COUNTERSIGN_PACKAGE: 'countersign', COUNTERSIGN_VERSION: VERSION });
  const command = join(end.directory, 'node_modules/.bin/countersign');
  expect(end).toMatchObject({ code: 0, stdout: `${command}\n` });
  expect(spawnSync(command, ['--version'], { encoding: 'utf8' }).stdout).toBe(`${VERSION}\n`);
});

test('a package by the path of its file is installed, and asks no registry', async () => {
  const env = {
    COUNTERSIGN_PACKAGE: registry.tarball,
    COUNTERSIGN_VERSION: VERSION,
    npm_config_registry: 'http://127.0.0.1:1',
  };
  expect(await install(env)).toMatchObject({ code: 0 });
});

test('a package that brings another version than it was asked for is not taken', async () => {
  const end = await install({ COUNTERSIGN_PACKAGE: 'countersign', COUNTERSIGN_VERSION: LATER });
  expect(end).toMatchObject({ code: 69, stdout: '' });
  expect(end.stderr).toContain('another version');
});

test('a version that the registry does not have is not replaced by another, nor by the countersign on the PATH', async () => {
  const env = { COUNTERSIGN_PACKAGE: 'countersign', COUNTERSIGN_VERSION: '1.2.3' };
  expect(await install(env, makePlace({ hasGuard: true }))).toMatchObject({ code: 69, stdout: '' });
});

test('a countersign that the checkout brings by a relative PATH is not taken', async () => {
  const place = makePlace({ hasGuard: false });
  writeProgram(join(place.checkout, 'countersign'), `#!/bin/sh\ntouch "$HOME/called"\necho ${VERSION}\n`);
  const end = await install({ PATH: `.:${place.env['PATH']}` }, place);
  expect(end).toMatchObject({ code: 69, stdout: '' });
  expect(place.filesWith('').filter((path) => path.endsWith('called'))).toEqual([]);
});

test('npm gets no token', async () => {
  const place = makePlace({ hasGuard: false });
  const seen = join(temporaryDirectory(), 'seen');
  writeProgram(join(place.bin, 'npm'), `#!/bin/sh\n{ env; echo "$@"; } >'${seen}'\nexit 1\n`);
  const token = 'cst_that_nobody_has';
  const env = {
    COUNTERSIGN_PACKAGE: 'countersign',
    COUNTERSIGN_VERSION: VERSION,
    COUNTERSIGN_TOKEN: token,
    COUNTERSIGN_TOKEN_FILE: token,
  };
  expect(await install(env, place)).toMatchObject({ code: 69, stdout: '' });
  expect(readFileSync(seen, 'utf8')).toContain('--ignore-scripts');
  expect(readFileSync(seen, 'utf8')).not.toContain(token);
});

test('the notices name every package whose code is in the command line', () => {
  const directory = join(import.meta.dirname, '../../dist/bin');
  const texts = readdirSync(directory).map((file) => readFileSync(join(directory, file), 'utf8'));
  const inlined = texts.flatMap((code) => [...code.matchAll(/^\/\/ \S*node_modules\/((?:@[^/]+\/)?[^/]+)/gm)]);
  const notices = readFileSync(join(directory, 'LICENSES.md'), 'utf8');
  const names = [...new Set(inlined.map(([, name]) => name))].sort();
  expect(names).toEqual(['@hono/node-server', 'drizzle-orm', 'hono', 'jose', 'postgres', 'zod']);
  expect(names.filter((name) => !notices.includes(`## ${name} `))).toEqual([]);
});

test('the template for GitLab CI holds the script word for word', () => {
  const before = text(member(readYaml(recipe('gitlab-ci/countersign.yml')), '.countersign', 'before_script'), 0);
  expect(/<<'END_OF_INSTALL'\n(.*)^END_OF_INSTALL$/ms.exec(before)?.[1]).toBe(recipe('ci/install.sh'));
});

test('the recipes for the machines of others name the version of this tree', () => {
  for (const file of ['github-actions/agent.yml', 'github-actions/action.yml', 'buildkite/pipeline.yml']) {
    expect(recipe(file), file).toContain(`version: ${VERSION}\n`);
  }
});

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).status === 0;

test.skipIf(!hasAnalyze)('systemd takes the units (skipped where there is no systemd-analyze)', () => {
  const units = temporaryDirectory();
  for (const name of ['countersign-agent@.service', 'countersign.service']) {
    const unit = recipe(`systemd/${name}`).replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`);
    writeFileSync(join(units, name), unit);
  }
  const verified = ['countersign-agent@review.service', 'countersign.service'].map((name) => join(units, name));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...verified], { encoding: 'utf8' });
  // Of the units of this machine it may have something to say too.
  const said = stderr.split('\n').filter((line) => line.includes('countersign'));
  expect({ status, said }).toEqual({ status: 0, said: [] });
});
