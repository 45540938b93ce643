import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

afterAll(removeTemporaryDirectories);

/** An installation without the optional packages. */
function bareInstallation(): string {
  const directory = temporaryDirectory();
  cpSync(join(ROOT, 'dist/bin'), join(directory, 'dist/bin'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  mkdirSync(join(directory, 'node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name === '@aws-sdk' || name === '@google-cloud') continue;
    symlinkSync(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
  }
  return join(directory, 'dist/bin/countersign.js');
}

test('a sink whose package is not installed is refused in one line that says how to get it, with exit 2', () => {
  const command = bareInstallation();
  const env = { COUNTERSIGN_URL: 'http://127.0.0.1:1', COUNTERSIGN_TOKEN: 'x', HOME: temporaryDirectory() };
  for (const [sink, name] of [
    ['aws:ci/agent', '@aws-sdk/client-secrets-manager'],
    ['google:acme-ci/agent', '@google-cloud/secret-manager'],
  ] as const) {
    const args = [command, 'rotate', 'tok_01KfUXmCbVYz8sQ2dW3nRk', '--into', sink];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain(`npm install ${name}\n`);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  }
});
