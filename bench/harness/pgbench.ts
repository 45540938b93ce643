import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

/** How pgbench loads a database. */
export interface PgbenchOptions {
  /** The directory of PostgreSQL's socket. */
  readonly socketDirectory: string;
  /** Where the statement is written. */
  readonly file: string;
  /** One statement, its own transaction. */
  readonly statement: string;
  readonly connections: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** What is missing to run pgbench; `undefined` when nothing is. */
export function missingForPgbench(): string | undefined {
  const { status } = spawnSync('pgbench', ['--version'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'pgbench is missing: apt-get install postgresql-15';
}

/** Transactions a second, with the statement prepared. */
export function pgbenchRate(options: PgbenchOptions): Promise<number> {
  const { socketDirectory, file, connections, seconds, signal } = options;
  writeFileSync(file, `${options.statement};\n`);
  const load = ['-n', '-M', 'prepared', '-c', String(connections), '-j', '1', '-T', String(seconds), '-f', file];
  const child = spawn('pgbench', ['-h', socketDirectory, '-U', 'postgres', ...load, 'postgres'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        output += piece;
      });
    }
    child.once('error', reject);
    child.once('close', () => {
      const rate = Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
      if (rate > 0) resolve(rate);
      else reject(new Error(`pgbench: ${output.trimEnd().split('\n').at(-1)}`));
    });
  });
}
