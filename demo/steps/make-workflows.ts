import { statSync } from 'node:fs';
import { countersign } from '../command.js';
import { REPOSITORY } from '../repository.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';

/** Step: two workflows, and a token for each. */
export async function makeWorkflows(shell: Shell): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'A workflow for each kind of job, a token for each workflow',
    'A workflow says what its tokens may be: which scopes, which repository, how many days. Tokens go to where the jobs find them, here to files that only their owner reads.',
  );
  await makeWorkflow(shell, 'tests', ['repo:read', 'codex:exec']);
  await makeWorkflow(shell, 'release', ['repo:write', 'codex:exec']);
  await mint(shell, 'tests', ['repo:read', 'codex:exec', 'tokens:rotate']);
  await mint(shell, 'release', ['repo:write', 'codex:exec']);
  narrator.verified('two workflows, two tokens of 7 days; each secret went into a file of mode 0600 and nowhere else');
}

async function makeWorkflow(shell: Shell, label: string, scopes: readonly string[]): Promise<void> {
  const flags = ['--allow-scope', ...scopes, '--repository', REPOSITORY];
  shell.narrator.output((await shell.run(countersign(['workflow', 'set', label, ...flags]))).stderr);
}

async function mint(shell: Shell, workflow: string, scopes: readonly string[]): Promise<void> {
  const file = `${workflow}.token`;
  const args = ['token', 'mint', '--workflow', workflow, '--scope', ...scopes, '--expires-in-days', '7'];
  const { stderr } = await shell.run(countersign(args, { stdout: file }));
  shell.narrator.output(stderr.split('\n')[0] ?? '');
  const { mode, size } = statSync(shell.path(file));
  expectThat((mode & 0o777) === 0o600 && size === 77, `${file} holds a token that only its owner reads`);
}
