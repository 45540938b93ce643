import { readFileSync, writeFileSync } from 'node:fs';
import { countersign, git } from '../command.js';
import { TESTS } from '../job.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';
import { tokensOf } from '../tokens.js';

const LEAK = 'deploy.env';
const HISTORY = '../history.txt';

/** A token that got into the repository. */
export interface Leak {
  readonly tokenId: string;
  /** The file that holds it. */
  readonly file: string;
}

/** Step: the token is committed, and the scanner finds it. */
export async function leakToken(shell: Shell): Promise<Leak> {
  const { narrator } = shell;
  narrator.step(
    'A token is committed by mistake, and found',
    'Tokens have a form with a checksum in it, so that a scanner knows them offline and is never wrong. It says where, and never shows the secret.',
  );
  narrator.command(`echo "AGENT_TOKEN=$(cat ${TESTS.tokenFile})" >> ${LEAK}`);
  const token = readFileSync(shell.path(TESTS.tokenFile), 'utf8');
  writeFileSync(shell.path(LEAK), `# settings of the agent\nAGENT_MODEL=fast\nAGENT_TOKEN=${token}`);
  await shell.run(git(['add', LEAK]));
  await shell.run(git(['commit', '--quiet', '-m', 'chore: settings of the agent']));

  const [newest] = await tokensOf(shell, TESTS.workflow);
  expectThat(newest !== undefined, 'the token is listed');
  const found = await shell.run(countersign(['scan', '.']), 1);
  narrator.output(found.stdout + found.stderr);
  expectThat(
    found.stdout === `${LEAK}:3:13: ${newest.id}\n`,
    'the scanner gives file, line, column and id',
    found.stdout,
  );
  narrator.verified('exit code 1; file, line, column and public id, no secret');

  await shell.run(git(['log', '-p'], { stdout: HISTORY }));
  const past = await shell.run(countersign(['scan', HISTORY]), 1);
  expectThat(past.stdout.includes(newest.id), 'the history holds the token too', past.stdout);
  narrator.verified('the history holds it too: deleting the file would not help, revoking does');
  return { tokenId: newest.id, file: LEAK };
}
