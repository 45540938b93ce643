import type { Me } from '../sdk/index.js';
import { clientFor } from './client.js';
import { cleanToken, readServiceUrl } from './connection.js';
import { bothTimes } from './instant.js';
import { loginPath, rememberLogin } from './login-file.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { readSecret } from './stdin.js';

export interface LoginFlags {
  withToken?: true;
  json?: true;
}

const HINT = 'countersign auth login --with-token < .countersign/owner.token';

/** `auth login`: by a code that is typed on a page, or with a token on standard input, which is tried against the service
 *  before it is stored. */
export async function login(flags: LoginFlags): Promise<number> {
  const url = await readServiceUrl();
  if (!flags.withToken) return (await import('./device-login.js')).deviceLogin(url, flags);
  const token = cleanToken(await readSecret('the token', HINT), 'standard input');
  const me = await clientFor(url, token).me();
  await rememberLogin(process.env, url, token);
  if (flags.json) printJson(accountOf(url, me));
  sayWho(url, me);
  return 0;
}

/** Who has signed in where and until when, for a program. */
export function accountOf(url: string, { email, role, workspace, token }: Me) {
  return { url, email, role, workspace: workspace.slug, token_id: token.id, expires_at: token.expires_at };
}

/** The same for a person, with where it is stored. */
export function sayWho(url: string, { email, role, workspace, token }: Me): void {
  const until = bothTimes(token.expires_at, new Date());
  say(`Signed in to ${url} as ${printable(email)}, ${role} of ${printable(workspace.slug)}, until ${until}.`);
  say(`Stored in ${printable(loginPath(process.env))}.`);
  sayWhatBeatsIt();
}

/** Says so when the environment has a token: it is used instead of the stored login. */
export function sayWhatBeatsIt(): void {
  for (const name of ['COUNTERSIGN_TOKEN', 'COUNTERSIGN_TOKEN_FILE']) {
    if (process.env[name] !== undefined) say(`${name} is set here: commands use it instead of the stored login.`);
  }
}
