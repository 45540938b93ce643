import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { CORES } from './processes.js';

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));

const measured = z.object({
  requests: z.number(),
  seconds: z.number(),
  p50: z.number(),
  p99: z.number(),
  refused: z.number(),
  broken: z.number(),
});

/** What wrk measured: latencies in milliseconds, `refused` answers of 400 and above, `broken` connections and timeouts. */
export type WrkResult = z.output<typeof measured>;

/** A request as it is repeated. */
export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface WrkOptions {
  readonly url: string;
  /** What {@link writeRequests} wrote. */
  readonly file: string;
  readonly connections: number;
  readonly seconds: number;
  /** On the load's core alone; elsewhere where the system puts it. */
  readonly isPinned: boolean;
  readonly signal: AbortSignal;
}

/** Whether wrk is there. */
export function hasWrk(): boolean {
  return spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** Writes the requests that a run repeats in turn. Mode 0600: they hold tokens. */
export function writeRequests(file: string, requests: readonly LoadRequest[]): void {
  const texts = requests.map(({ path, headers, body }) => {
    const lines = Object.entries({ Host: '127.0.0.1', ...headers, 'Content-Length': String(Buffer.byteLength(body)) });
    const text = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
    return `${Buffer.byteLength(text)}\n${text}`;
  });
  writeFileSync(file, texts.join(''), { mode: 0o600 });
}

/** Puts a server under load for some whole seconds. One thread keeps all connections busy. */
export function runWrk(options: WrkOptions): Promise<WrkResult> {
  const wrk = [
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    SCRIPT,
    options.url,
    '--',
  ];
  const [program = '', ...args] = options.isPinned ? ['taskset', '-c', CORES.load, ...wrk] : wrk;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, options.file], {
      stdio: ['ignore', 'pipe', 'pipe'],
      signal: options.signal,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (piece: string) => {
        output += piece;
      });
    }
    child.once('error', reject);
    child.once('close', () => {
      const line = output.trimEnd().split('\n').at(-1) ?? '';
      if (!line.startsWith('{')) return reject(new Error(`wrk: ${line}`));
      resolve(measured.parse(JSON.parse(line)));
    });
  });
}
