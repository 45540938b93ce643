import { copyFileSync, readFileSync, renameSync } from 'node:fs';
import { loseAnswers } from '../bad-network.js';
import { aligned } from '../columns.js';
import { countersign } from '../command.js';
import { TESTS } from '../job.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';
import { startStream } from '../stream.js';
import { tokensOf } from '../tokens.js';

const QUEUED = '../queued.token';
const NEXT = '../next.token';

/** Step: the token is rotated while jobs run, over a network that loses the answers. No job fails. */
export async function rotateUnderLoad(shell: Shell, serviceUrl: string): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'Rotate in the middle of the work, and lose the answer',
    'Two streams of jobs run all the time: one reads the token file anew for each job, the other stands for jobs that were queued with the old token. Meanwhile the token rotates itself.',
  );
  copyFileSync(shell.path(TESTS.tokenFile), shell.path(QUEUED));
  const current = startStream(shell, TESTS.tokenFile);
  const queued = startStream(shell, QUEUED);
  await Promise.all([current.more(1), queued.more(1)]);

  const successor = await rotateInVain(shell, serviceUrl);
  await rotateAgain(shell, successor);
  const before = current.passed + queued.passed;
  await Promise.all([current.more(2), queued.more(2)]);
  await Promise.all([current.stop(), queued.stop()]);

  const listed = await shell.run(countersign(['token', 'list', '--workflow', TESTS.workflow]));
  narrator.output(aligned(listed.stdout, [0, 1, 4, 6]));
  const [newest, oldest] = await tokensOf(shell, TESTS.workflow);
  expectThat(newest?.id === successor && newest.last_used_at !== null, 'jobs ran with the new token');
  expectThat(oldest?.status === 'rotating', 'the old token is still good for a while');
  const all = current.passed + queued.passed;
  narrator.verified(
    `${all} jobs, none failed: ${before} before the new token was in place, ${all - before} after, over the new and the old one`,
  );
}

/** Rotates where every answer is lost. Gives the id of the successor whose secret nobody knows. */
async function rotateInVain(shell: Shell, serviceUrl: string): Promise<string> {
  const network = await loseAnswers(serviceUrl);
  try {
    const env = { COUNTERSIGN_URL: network.url, COUNTERSIGN_TOKEN_FILE: TESTS.tokenFile };
    const { stderr } = await shell.run(countersign(['token', 'rotate', 'self'], { env, stdout: NEXT }), 69);
    shell.narrator.output(stderr.split('\n').slice(0, 2).join('\n'));
  } finally {
    await network.close();
  }
  const tokens = await tokensOf(shell, TESTS.workflow);
  const successor = tokens.find((token) => token.rotated_from !== null);
  expectThat(network.lost > 0 && readFileSync(shell.path(NEXT), 'utf8') === '', 'the answers were lost');
  expectThat(tokens.length === 2 && successor !== undefined, 'the service made one successor');
  shell.narrator.verified(
    `the service did rotate, ${network.lost} answers were lost on the way: ${successor.id} exists, and nobody has its secret`,
  );
  return successor.id;
}

async function rotateAgain(shell: Shell, successor: string): Promise<void> {
  const env = { COUNTERSIGN_TOKEN_FILE: TESTS.tokenFile };
  const { stderr } = await shell.run(countersign(['token', 'rotate', 'self'], { env, stdout: NEXT }));
  shell.narrator.output([...stderr.split('\n').slice(0, 1), ...stderr.trimEnd().split('\n').slice(-1)].join('\n'));
  expectThat(stderr.startsWith(`${successor} `), 'rotating again gives the same successor', stderr);
  shell.narrator.command(`mv ${NEXT} ${TESTS.tokenFile}`);
  renameSync(shell.path(NEXT), shell.path(TESTS.tokenFile));
  const count = (await tokensOf(shell, TESTS.workflow)).length;
  expectThat(count === 2, 'there is no second successor');
  shell.narrator.verified('rotating again was all it took: the same successor, with a new secret');
}
