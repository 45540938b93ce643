import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { parseJson, readPrivate, writePrivate } from './private-file.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const loginFile = z.object({
  current: z.string().optional(),
  logins: z.record(z.string(), z.object({ token: z.string(), via: z.literal('device').optional() })),
});

/** The stored logins: a token for each service, by its URL. `current` is the one that was signed in to last. A token that was
 *  made for this login alone (`via`) ends with it. */
export type Logins = z.infer<typeof loginFile>;

/** Where logins are kept: `countersign/login.json` under `XDG_CONFIG_HOME` or `~/.config`. */
export function loginPath(env: Environment): string {
  const xdg = env['XDG_CONFIG_HOME'];
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.config'), 'countersign', 'login.json');
}

/** Reads the stored logins; none when there is no file. Refuses a file that others can read or write, and one that holds
 *  something else. */
export async function readLogins(env: Environment): Promise<Logins> {
  const path = loginPath(env);
  const text = await readPrivate(path);
  if (text === undefined) return { logins: {} };
  const parsed = loginFile.safeParse(parseJson(text));
  if (!parsed.success) throw new UsageError(`${path} is damaged. Remove it and sign in again`);
  return parsed.data;
}

/** Stores logins, for this user alone. Without a login left the file is removed. */
async function writeLogins(env: Environment, logins: Logins): Promise<void> {
  const path = loginPath(env);
  if (Object.keys(logins.logins).length === 0) return await rm(path, { force: true });
  await writePrivate(path, `${JSON.stringify(logins, null, 2)}\n`);
}

/** Stores the token for a service and makes it the current one. */
export async function rememberLogin(env: Environment, url: string, token: string, via?: 'device'): Promise<void> {
  const stored = await readLogins(env);
  await writeLogins(env, { current: url, logins: { ...stored.logins, [url]: { token, via } } });
}

/** Forgets the token for a service. Gives what was stored, if anything was. */
export async function forgetLogin(env: Environment, url: string): Promise<Logins['logins'][string] | undefined> {
  const stored = await readLogins(env);
  const { [url]: forgotten, ...logins } = stored.logins;
  if (forgotten === undefined) return undefined;
  await writeLogins(env, stored.current === url ? { logins } : { ...stored, logins });
  return forgotten;
}
