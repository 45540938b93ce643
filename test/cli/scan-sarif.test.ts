import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { SECRET_KINDS } from '../../src/rules/secret-scan.js';
import { base62, checksummed } from '../rules/secrets.js';
import { commandLine, temporaryDirectory } from './command-line.js';
import { createRepository } from './git-repository.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';

const home = temporaryDirectory();

const message = z.strictObject({ text: z.string().min(1) });
const relativeReference = z.string().regex(/^[0-9A-Za-z%._~!'()*/-]+$/);
/** What SARIF 2.1.0 allows of what is written: section 3.13 (log), 3.14 (run), 3.19 (tool component), 3.27 (result). */
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal('2.1.0'),
  runs: z.tuple([
    z.strictObject({
      tool: z.strictObject({
        driver: z.strictObject({
          name: z.literal('countersign'),
          semanticVersion: z.string().regex(/^\d+\.\d+\.\d+/),
          rules: z.array(
            z.strictObject({
              id: z.string().refine((id) => SECRET_KINDS.has(id)),
              shortDescription: message,
              help: message,
              defaultConfiguration: z.strictObject({ level: z.literal('error') }),
            }),
          ),
        }),
      }),
      columnKind: z.enum(['utf16CodeUnits', 'unicodeCodePoints']),
      originalUriBaseIds: z.record(z.string(), z.strictObject({ description: message })),
      results: z.array(
        z.strictObject({
          ruleId: z.string(),
          ruleIndex: z.int().min(0),
          level: z.literal('error'),
          message,
          locations: z.tuple([
            z.strictObject({
              physicalLocation: z.strictObject({
                artifactLocation: z.strictObject({ uri: relativeReference, uriBaseId: z.literal('%SRCROOT%') }),
                region: z.strictObject({ startLine: z.int().min(1), startColumn: z.int().min(1) }),
              }),
            }),
          ]),
          partialFingerprints: z.record(z.string().regex(/\/v\d+$/), z.string().regex(/^[0-9a-f]{32}$/)),
          properties: z.strictObject({ commit: z.string() }).optional(),
        }),
      ),
    }),
  ]),
});

test('the SARIF log holds what 2.1.0 allows, with rules, fingerprints and relative references', async () => {
  const { directory, write, commit } = createRepository(join(home, 'repository'));
  const { token, id } = looseToken();
  write('a dir/ü#?%:.env', `T=${token}\nG=${checksummed('gho')}\n`);
  write('javascript:b', `api_key=${base62(40)}\n`);
  const first = commit('first');
  const files = await commandLine(home)(['scan', '--all-secrets', '--format', 'sarif', '.'], { cwd: directory });
  const history = await commandLineHere(home)(['scan', '--all-secrets', '--format=sarif', '--history', directory]);
  for (const { code, stdout } of [files, history]) {
    expect(code).toBe(1);
    expect(stdout).not.toContain(token);
    const [run] = sarif.parse(JSON.parse(stdout)).runs;
    const uris = run.results.map(({ locations }) => locations[0].physicalLocation.artifactLocation.uri).sort();
    expect(uris).toEqual(['a%20dir/%C3%BC%23%3F%25%3A.env', 'a%20dir/%C3%BC%23%3F%25%3A.env', 'javascript%3Ab']);
    for (const { ruleId, ruleIndex } of run.results) expect(run.tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
    expect(run.results.find(({ ruleId }) => ruleId === 'countersign-token')?.message.text).toContain(id);
  }
  expect(history.stdout).toContain(`"properties":{"commit":"${first}"}`);
});

test('a SARIF log without findings is one too', async () => {
  mkdirSync(join(home, 'empty'));
  writeFileSync(join(home, 'empty', 'clean'), 'nothing');
  const outcome = await commandLineHere(home)(['scan', '--format', 'sarif', join(home, 'empty')]);
  expect(outcome.code).toBe(0);
  expect(sarif.parse(JSON.parse(outcome.stdout)).runs[0].results).toEqual([]);
});
