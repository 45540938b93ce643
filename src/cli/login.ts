import { clientFor } from './client.js';
import { cleanToken, readServiceUrl } from './connection.js';
import { rememberLogin } from './login-file.js';
import { printJson } from './output.js';
import { accountOf, sayWho } from './signed-in.js';
import { readSecret } from './stdin.js';

export interface LoginFlags {
  withToken?: true;
  json?: true;
}

const HINT = 'countersign auth login --with-token < .countersign/owner.token';

/** `auth login --with-token`: tries the token on standard input against the service before it is stored. */
export async function login(flags: LoginFlags): Promise<number> {
  const url = await readServiceUrl();
  const token = cleanToken(await readSecret('the token', HINT), 'standard input');
  const me = await clientFor(url, token).me();
  await rememberLogin(process.env, url, { token, workspace: me.workspace.slug });
  if (flags.json) printJson(accountOf(url, me));
  sayWho(url, me);
  return 0;
}
