import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import type { RunnerCredentials } from '../runner/guard-client.js';
import { type Client, createClient, createProver } from '../sdk/index.js';
import { VERSION } from '../version.js';
import { parseJson, readPrivate, writePrivate } from './private-file.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const runnerFile = z.object({
  url: z.string(),
  key: z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), d: z.string() }),
  runner: z.object({ id: z.string(), name: z.string(), token: z.string(), expires_at: z.string() }).optional(),
});

/** What a host keeps of itself as a runner of one service: its key and, once it was approved, its token. Both secrets. */
export type RunnerFile = z.infer<typeof runnerFile>;

/** Where a host keeps itself as a runner of a service: where `COUNTERSIGN_RUNNER_FILE` says, else a file for each service
 *  under `XDG_STATE_HOME` or `~/.local/state`. */
export function runnerPath(env: Environment, url: string): string {
  const asked = env['COUNTERSIGN_RUNNER_FILE'];
  if (asked !== undefined && asked !== '') return asked;
  const xdg = env['XDG_STATE_HOME'];
  const state = xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.local', 'state');
  return join(state, 'countersign', 'runners', `${encodeURIComponent(url)}.json`);
}

/** Reads what a host keeps; `undefined` when there is nothing. Refuses a file that others can read or write, that is
 *  damaged, or that is of another service. */
export async function readRunnerFile(path: string, url: string): Promise<RunnerFile | undefined> {
  const text = await readPrivate(path);
  if (text === undefined) return undefined;
  const parsed = runnerFile.safeParse(parseJson(text));
  if (!parsed.success) throw new UsageError(`${path} is damaged. Remove it and run: countersign runner join`);
  if (parsed.data.url !== url) throw new UsageError(`${path} is of ${parsed.data.url}, not of ${url}`);
  return parsed.data;
}

/** Keeps what a host is, whole at once, for this user alone. */
export function writeRunnerFile(path: string, file: RunnerFile): Promise<void> {
  return writePrivate(path, `${JSON.stringify(file, null, 2)}\n`);
}

/** Forgets what a host was. */
export async function removeRunnerFile(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** What an enrolled host proves itself with; `undefined` on one that is not. */
export async function runnerCredentials(path: string, url: string): Promise<RunnerCredentials | undefined> {
  const file = await readRunnerFile(path, url);
  if (file?.runner === undefined) return undefined;
  return {
    prover: await createProver(file.key),
    token: async () => {
      const { runner } = (await readRunnerFile(path, url)) ?? {};
      if (runner === undefined) throw new UsageError('this host is a runner no longer');
      return runner.token;
    },
  };
}

/** A client that speaks for the host: with its token, or with its key alone. */
export function hostClient(url: string, { prover, token }: Partial<RunnerCredentials>): Client {
  return createClient({ url, prover, token, userAgent: `countersign-runner/${VERSION}` });
}
