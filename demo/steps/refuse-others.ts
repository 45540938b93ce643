import { RELEASE, testsJob } from '../job.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';

/** Step: a token of another workflow, and the right token in another repository, start nothing. */
export async function refuseOthers(shell: Shell): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'Another token, another repository: refused',
    'A token is good for the jobs of its own workflow, in the repositories it is bound to. For anything else the guard starts nothing and exits with 77.',
  );
  await refused(
    shell,
    { tokenFile: RELEASE.tokenFile },
    'refused (workflow_mismatch): the token belongs to workflow release',
  );
  narrator.verified('exit code 77, the reason told, ci.sh not started');
  await refused(shell, { repository: 'acme/payroll' }, 'refused (repository_not_allowed)');
  narrator.verified('exit code 77 for the right token in the wrong place');
}

async function refused(
  shell: Shell,
  where: { tokenFile?: string; repository?: string },
  reason: string,
): Promise<void> {
  const { stdout, stderr } = await shell.run(testsJob({ command: ['./ci.sh'], ...where }), 77);
  shell.narrator.output(stderr);
  expectThat(stderr.includes(reason), `the guard says: ${reason}`, stderr);
  expectThat(stdout === '', 'the job was not started', stdout);
}
