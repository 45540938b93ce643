import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type GeneratedFile, generatedFiles } from './documents.js';

/** Writes the generated files of this folder, or, with `--check`, tells whether the committed ones are what the code
 *  says and whether the document keeps the rules in `redocly.yaml`. Needs no network. */
const here = dirname(fileURLToPath(import.meta.url));
const isCheck = process.argv.includes('--check');

for (const file of generatedFiles()) {
  if (!isCheck) writeFileSync(join(here, file.name), file.text);
  else if (committed(file) !== file.text) fail(`openapi/${file.name} is not what the code says: run npm run openapi`);
}
if (isCheck) {
  const faults = lintFaults();
  if (faults !== undefined) fail(faults);
}

function committed(file: GeneratedFile): string | undefined {
  try {
    return readFileSync(join(here, file.name), 'utf8');
  } catch {
    return undefined;
  }
}

function lintFaults(): string | undefined {
  const redocly = join(dirname(createRequire(import.meta.url).resolve('@redocly/cli/package.json')), 'bin/cli.js');
  const args = ['lint', 'openapi.json', '--config', 'redocly.yaml', '--format', 'stylish'];
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
  const run = spawnSync(process.execPath, [redocly, ...args], { cwd: here, env, encoding: 'utf8' });
  return run.status === 0 ? undefined : `openapi/openapi.json does not lint:\n${run.stdout}${run.stderr}`;
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
