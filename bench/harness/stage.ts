import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where a run happens: a private directory, and everything that was started and must end again. */
export interface Stage {
  readonly directory: string;
  /** Aborted by Ctrl-C and SIGTERM: nothing new begins after it. */
  readonly signal: AbortSignal;
  /** Runs at the end, the latest first. */
  atEnd(end: () => unknown): void;
  /** Ends what was started and removes the directory. Safe to call again. */
  close(): Promise<void>;
}

/** Opens a stage. */
export function openStage(): Stage {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const aborter = new AbortController();
  const ends: (() => unknown)[] = [];
  const abort = () => aborter.abort(new Error('interrupted'));
  process.on('SIGINT', abort);
  process.on('SIGTERM', abort);

  async function close(): Promise<void> {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
      try {
        await end();
      } catch (error) {
        process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  // A fault of the bench itself leaves no server behind either.
  process.once('uncaughtException', (error) => {
    process.stderr.write(`${error.stack ?? error.message}\n`);
    void close().finally(() => process.exit(1));
  });
  return { directory, signal: aborter.signal, atEnd: (end) => ends.push(end), close };
}

/** Opens a stage within a stage, for what one measure starts: it is closed with the measure. */
export async function onStage<T>(stage: Stage, act: (inner: Stage) => Promise<T>): Promise<T> {
  const ends: (() => unknown)[] = [];
  const close = async () => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
  };
  stage.atEnd(close);
  try {
    return await act({ ...stage, atEnd: (end) => ends.push(end), close });
  } finally {
    await close();
  }
}
