import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { askGit } from './git.js';
import { HostRefusal } from './host-refusal.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';

const COMMAND = 'countersign scan --staged --all-secrets';
const HOOK = `#!/bin/sh
# Refuses a commit that adds a secret. What is none goes by its fingerprint into .countersign-allow.
exec ${COMMAND}
`;

/** `scan --install-hook`: writes a pre-commit hook where git looks for it. Refuses when there is one: it is somebody's. */
export async function installHook(flags: { json?: true }): Promise<number> {
  const said = await askGit({ directory: '.', isNamed: false }, ['rev-parse', '--git-path', 'hooks/pre-commit']);
  const path = resolve(said.toString().replace(/\n$/, ''));
  await mkdir(dirname(path), { recursive: true });
  try {
    await writeFile(path, HOOK, { mode: 0o755, flag: 'wx' });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    throw new HostRefusal('hook_exists', `${printable(path)} is there already. Add this line to it:\n${COMMAND}`);
  }
  if (flags.json) printJson({ hook: path });
  else say(`${printable(path)} runs \`${COMMAND}\` before each commit. It needs countersign on the PATH.`);
  return 0;
}
