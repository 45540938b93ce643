import { rmSync, writeFileSync } from 'node:fs';
import { countersign } from '../command.js';
import { processesAt } from '../processes.js';
import type { Shell } from '../shell.js';
import { expectThat, inTime } from '../step-failed.js';
import type { Service } from './start-service.js';

const TRANSCRIPT = '../transcript.txt';

/** Step: the service stops, and nothing of this demo is left: no secret in what was told, no process, no file. */
export async function stopService(shell: Shell, { running }: Service): Promise<void> {
  const { narrator, root } = shell;
  narrator.step(
    'Stop, and leave nothing behind',
    'SIGTERM: what is in flight is finished, then PostgreSQL stops, then the service.',
  );
  narrator.command(`kill -TERM ${running.pid}`);
  running.signal('SIGTERM');
  const outcome = await inTime(running.ended, 'the service to stop');
  expectThat(outcome.code === 0, 'the service exits with 0', outcome.stderr);
  narrator.verified('the service exited with 0');

  writeFileSync(shell.path(TRANSCRIPT), narrator.transcript);
  const { stderr } = await shell.run(countersign(['scan', TRANSCRIPT]));
  narrator.output(stderr);
  narrator.verified('no token in anything that this demo has shown');

  const left = processesAt(root);
  expectThat(left.length === 0, `no process is left, but ${left.join(', ')} is`);
  rmSync(root, { recursive: true });
  narrator.verified(`no process is left, PostgreSQL included; ${root} is gone`);
}
