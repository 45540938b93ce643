import { testsJob } from './job.js';
import type { Shell } from './shell.js';

/** One job after the other, without a pause, with the token that is in a file when each starts. */
export interface Stream {
  /** How many jobs have ended well. */
  readonly passed: number;
  /** Resolves when so many more jobs have started from now on and ended well. Rejects when one fails. */
  more(jobs: number): Promise<void>;
  /** Lets the job under way end and starts no other. Rejects when a job failed. */
  stop(): Promise<void>;
}

/** Starts a stream of jobs that run the repository's tests. */
export function startStream(shell: Shell, tokenFile: string): Stream {
  let started = 0;
  let passed = 0;
  let isStopping = false;
  let wake = () => {};
  const over = (async () => {
    while (!isStopping) {
      started += 1;
      await shell.quietly(testsJob({ command: ['node', 'split.test.js'], tokenFile }));
      passed += 1;
      wake();
    }
  })();
  // A failure is told to whoever asks next.
  over.catch(() => wake());

  return {
    get passed() {
      return passed;
    },
    more: async (jobs) => {
      const goal = started + jobs;
      while (passed < goal) {
        const news = new Promise<void>((resolve) => {
          wake = resolve;
        });
        await Promise.race([news, over]);
      }
    },
    stop: () => {
      isStopping = true;
      return over;
    },
  };
}
