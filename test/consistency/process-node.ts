import type { ChildProcess } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { ended } from '../../src/store/embedded-process.js';
import { startChild } from './child.js';
import type { Node } from './node.js';

/** The built service, or the one that `CLI_UNDER_TEST` names. */
const MAIN = process.env['CLI_UNDER_TEST'] ?? fileURLToPath(new URL('../../dist/bin/countersign.js', import.meta.url));

/** A service in a process of its own, which can be killed. */
export interface ProcessNode extends Node {
  /** Kills it without a word and starts it again, on another port. */
  crash(): Promise<void>;
}

const STOP_MS = 15_000;
const listening = z.object({ event: z.literal('listening'), url: z.string() });

/** Starts `countersign serve` and waits until it listens. Its log goes to a file in `home`. */
export async function startProcessNode(
  name: string,
  home: string,
  env: Readonly<Record<string, string>>,
): Promise<ProcessNode> {
  let child: ChildProcess | undefined;
  let url: string | undefined;

  async function start(): Promise<void> {
    const log = await open(join(home, `node-${name}.log`), 'a', 0o600);
    try {
      child = serve(env, log);
      url = await announced(child);
    } finally {
      await log.close();
    }
  }

  await start();
  return {
    name,
    get url() {
      return url;
    },
    crash: async () => {
      url = undefined;
      child?.kill('SIGKILL');
      if (child && !(await ended(child, STOP_MS))) throw new Error('a node survives SIGKILL');
      await start();
    },
    stop: async () => {
      url = undefined;
      child?.kill('SIGTERM');
      if (child && !(await ended(child, STOP_MS))) child.kill('SIGKILL');
    },
  };
}

function serve(env: Readonly<Record<string, string>>, log: FileHandle): ChildProcess {
  const variables = { PATH: process.env['PATH'] ?? '', LOG_LEVEL: 'warn', PORT: '0', ...env };
  return startChild([process.execPath, MAIN, 'serve', '--json'], variables, log.fd, 'SIGKILL');
}

async function announced(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('a node without standard output');
  for await (const line of createInterface({ input: child.stdout })) {
    return listening.parse(JSON.parse(line)).url;
  }
  throw new Error('a node ended before it listened; see its log');
}
