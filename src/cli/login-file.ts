import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { parseJson, readPrivate, writePrivate } from './private-file.js';
import { UsageError } from './usage-error.js';

type Environment = Readonly<Record<string, string | undefined>>;

const login = z.object({
  token: z.string(),
  via: z.literal('device').optional(),
  workspace: z.string().optional(),
});

const loginFile = z.object({
  current: z.string().optional(),
  logins: z.record(z.string(), login),
  elsewhere: z.record(z.string(), z.record(z.string(), login)).optional(),
});

/** A stored login. A token that was made for this login alone (`via`) ends with it. `workspace` is the slug of the one that
 *  it opens, where that is known. */
export type Login = z.infer<typeof login>;

/** The stored logins: the one that was signed in to last for each service, by its URL, and `elsewhere` those for other
 *  workspaces of it, by their slugs. `current` is the service that was signed in to last. */
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
  if (Object.keys(logins.logins).length === 0 && logins.elsewhere === undefined) return await rm(path, { force: true });
  await writePrivate(path, `${JSON.stringify(logins, null, 2)}\n`);
}

/** The login for a service: the one that was signed in to last, or that for a workspace. */
export function loginFor(stored: Logins, url: string, workspace: string | undefined): Login | undefined {
  const last = stored.logins[url];
  if (workspace === undefined || last?.workspace === workspace) return last;
  return stored.elsewhere?.[url]?.[workspace];
}

/** The workspaces of a service for which there is a login, in order. */
export function workspacesAt(stored: Logins, url: string): string[] {
  const last = stored.logins[url]?.workspace;
  const others = Object.keys(stored.elsewhere?.[url] ?? {});
  return [...new Set(last === undefined ? others : [last, ...others])].sort();
}

/** Stores a login for a service and makes it the one that is used. One for another workspace of it is kept beside. */
export async function rememberLogin(env: Environment, url: string, fresh: Login): Promise<void> {
  const stored = await readLogins(env);
  const last = stored.logins[url];
  const kept = { ...stored.elsewhere?.[url] };
  if (last?.workspace !== undefined) kept[last.workspace] = last;
  await writeLogins(env, {
    current: url,
    logins: { ...stored.logins, [url]: fresh },
    elsewhere: beside(stored, url, kept, fresh.workspace),
  });
}

/** Says of the login that is used which workspace it opens. */
export async function nameLogin(env: Environment, url: string, workspace: string): Promise<void> {
  const stored = await readLogins(env);
  const last = stored.logins[url];
  if (last === undefined) return;
  const elsewhere = beside(stored, url, stored.elsewhere?.[url] ?? {}, workspace);
  await writeLogins(env, { ...stored, logins: { ...stored.logins, [url]: { ...last, workspace } }, elsewhere });
}

/** Forgets the login for a service, or for a workspace of it. Gives what was stored, if anything was. */
export async function forgetLogin(
  env: Environment,
  url: string,
  workspace?: string | undefined,
): Promise<Login | undefined> {
  const stored = await readLogins(env);
  const forgotten = loginFor(stored, url, workspace);
  if (forgotten === undefined) return undefined;
  if (forgotten !== stored.logins[url]) {
    const elsewhere = beside(stored, url, stored.elsewhere?.[url] ?? {}, workspace);
    await writeLogins(env, { ...stored, elsewhere });
    return forgotten;
  }
  const { [url]: _, ...logins } = stored.logins;
  const { current, ...rest } = { ...stored, logins };
  await writeLogins(env, current === url ? rest : { ...rest, current });
  return forgotten;
}

/** All that is kept beside, with other logins for one service, without the one for a workspace. */
function beside(
  { elsewhere }: Logins,
  url: string,
  kept: Readonly<Record<string, Login>>,
  without: string | undefined,
): Logins['elsewhere'] {
  const others = Object.entries(kept).filter(([slug]) => slug !== without);
  const { [url]: _, ...rest } = elsewhere ?? {};
  const all = others.length === 0 ? rest : { ...rest, [url]: Object.fromEntries(others) };
  return Object.keys(all).length === 0 ? undefined : all;
}
