import { countersign } from '../command.js';
import { testsJob } from '../job.js';
import { untilGroupEnds } from '../processes.js';
import type { Shell } from '../shell.js';
import { expectThat, inTime } from '../step-failed.js';
import type { Leak } from './leak-token.js';

/** Step: whoever finds the token revokes it. The job that runs with it stops, and no other starts. */
export async function revokeLeak(shell: Shell, leak: Leak, signal: AbortSignal): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'Revoke it: the running job stops, no other starts',
    'A long job runs with the leaked token. Whoever finds a token may revoke it, without an account: the file itself goes to standard input.',
  );
  const job = shell.start(testsJob({ command: ['./soak.sh'] }));
  const { match } = await job.seen(/process group (\d+)/);
  await job.seen(/round 1 passed/);
  narrator.output('soak: round 1 passed');

  const revoke = shell.start(countersign(['token', 'revoke', '--stdin'], { stdin: leak.file }));
  const [answer, endedMs] = await Promise.all([
    revoke.seen(new RegExp(`^${leak.tokenId}$`, 'm')),
    inTime(untilGroupEnds(Number(match[1]), signal), 'the job to end'),
  ]);
  const revoked = await inTime(revoke.ended, 'the revocation to end');
  expectThat(revoked.code === 0, 'the token is revoked', revoked.stderr);
  narrator.output(revoked.stdout + revoked.stderr);
  narrator.verified('revoked by its finder');

  const guard = await inTime(job.ended, 'the guard to end');
  narrator.output(guard.stderr);
  expectThat(
    guard.code === 77 && guard.stderr.includes('revoked'),
    'the guard stopped the job for the revocation',
    guard.stderr,
  );
  narrator.verified(`exit code 77; the whole process group of the job was gone ${spanText(endedMs - answer.atMs)}`);

  const refused = await shell.run(testsJob({ command: ['./ci.sh'] }), 77);
  narrator.output(refused.stderr);
  expectThat(refused.stdout === '' && refused.stderr.includes('refused'), 'no new job starts', refused.stderr);
  narrator.verified('exit code 77: nothing starts with it any more');
}

function spanText(ms: number): string {
  return ms <= 0
    ? 'before the answer to the revocation was read'
    : `${Math.ceil(ms)} ms after the answer to the revocation`;
}
