import { type Command, countersign } from './command.js';
import { REPOSITORY } from './repository.js';

/** The workflows, and the files that hold their tokens, as seen from the repository. */
export const TESTS = { workflow: 'tests', tokenFile: '../tests.token' };
export const RELEASE = { workflow: 'release', tokenFile: '../release.token' };

export interface JobOptions {
  readonly command: readonly string[];
  /** The file with the token (default: the one of the workflow). */
  readonly tokenFile?: string;
  readonly repository?: string;
  /** More flags of `exec`. */
  readonly flags?: readonly string[];
}

/** The command that runs a job of workflow `tests` under the guard. */
export function testsJob(options: JobOptions): Command {
  const { command, tokenFile = TESTS.tokenFile, repository = REPOSITORY, flags = [] } = options;
  return countersign(
    [
      'exec',
      '--workflow',
      TESTS.workflow,
      '--scope',
      'codex:exec',
      '--repository',
      repository,
      ...flags,
      '--',
      ...command,
    ],
    { env: { COUNTERSIGN_TOKEN_FILE: tokenFile } },
  );
}
