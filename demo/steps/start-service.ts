import { z } from 'zod';
import { countersign } from '../command.js';
import type { Running } from '../running.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';

const listening = z.object({ event: z.literal('listening'), url: z.url(), pid: z.int(), token_file: z.string() });

export interface Service {
  readonly url: string;
  readonly running: Running;
}

/** Step: the service starts on an empty directory, and its owner signs in. */
export async function startService(shell: Shell): Promise<Service> {
  const { narrator } = shell;
  narrator.step(
    'Start the service',
    'One command, nothing to set up: the PostgreSQL it needs comes with it and lives in the data directory.',
  );
  const startedMs = performance.now();
  const env = { COUNTERSIGN_DATA_DIR: 'data', PORT: '0' };
  const running = shell.start(countersign(['serve', '--json'], { env }));
  const { match, atMs } = await running.seen(/^\{"event":"listening".*\}$/m);
  narrator.output(match[0]);
  const { url, pid, token_file } = listening.parse(JSON.parse(match[0]));
  expectThat(pid === running.pid, 'the line names the process that serves');
  narrator.verified(`it listens, ${((atMs - startedMs) / 1000).toFixed(1)} s after an empty directory`);

  const login = countersign(['auth', 'login', '--with-token'], {
    env: { COUNTERSIGN_URL: url },
    stdin: 'data/owner.token',
  });
  expectThat(token_file.endsWith('owner.token'), "the owner's token is in a file");
  narrator.output((await shell.run(login)).stderr.split('\n')[0] ?? '');
  narrator.verified('the owner is signed in; the token went from file to file and was not shown');
  return { url, running };
}
