import { readFileSync } from 'node:fs';
import { TESTS, testsJob } from '../job.js';
import { makeRepository } from '../repository.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';

/** Step: a real repository, whose own tests run under the guard. */
export async function runJob(shell: Shell): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'A job runs under the guard',
    'A git repository with a small project. Its job, ci.sh, runs the tests of the project. The guard asks the service first, then starts it.',
  );
  await makeRepository(shell);
  const job = testsJob({ command: ['./ci.sh'], flags: ['--pass-token-as', 'AGENT_TOKEN'] });
  const { stdout, stderr } = await shell.run(job);
  narrator.output(stdout);
  expectThat(
    /tests 4\b[\s\S]*pass 4\b[\s\S]*fail 0\b/.test(stdout),
    'all four tests of the project ran and passed',
    stdout,
  );
  narrator.verified('the four tests of the repository ran and passed; the output came through as it was');

  const token = readFileSync(shell.path(TESTS.tokenFile), 'utf8').trim();
  const printed = `AGENT_TOKEN=${token.slice(0, 'cst_'.length + 22)}_***`;
  expectThat(stdout.includes(printed), 'the token that the job printed is masked', stdout);
  expectThat(!(stdout + stderr).includes(token.slice(-49)), 'no output holds the secret');
  narrator.verified('the job printed its own token: its public id shows, the secret does not');
}
