import { clientFor } from './client.js';
import { cleanToken, readServiceUrl } from './connection.js';
import { bothTimes } from './instant.js';
import { loginPath, rememberLogin } from './login-file.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { readSecret } from './stdin.js';
import { UsageError } from './usage-error.js';

export interface LoginFlags {
  withToken?: true;
  json?: true;
}

const HINT = 'countersign auth login --with-token < .countersign/owner.token';

/** `auth login`: tries the token on standard input against the service before it is stored. */
export async function login(flags: LoginFlags): Promise<number> {
  if (!flags.withToken) {
    throw new UsageError(
      `signing in needs a token. \`countersign serve\` writes the first one to owner.token in its data directory, \`countersign member accept\` trades an invitation for one. Then: ${HINT}`,
    );
  }
  const url = await readServiceUrl();
  const token = cleanToken(await readSecret('the token', HINT), 'standard input');
  const me = await clientFor(url, token).me();
  await rememberLogin(process.env, url, token);
  const account = { url, email: me.email, role: me.role, workspace: me.workspace.slug };
  if (flags.json) printJson({ ...account, token_id: me.token.id, expires_at: me.token.expires_at });
  const until = bothTimes(me.token.expires_at, new Date());
  say(`Signed in to ${url} as ${printable(me.email)}, ${me.role} of ${printable(me.workspace.slug)}, until ${until}.`);
  say(`Stored in ${printable(loginPath(process.env))}.`);
  sayWhatBeatsIt();
  return 0;
}

/** Says so when the environment has a token: it is used instead of the stored login. */
export function sayWhatBeatsIt(): void {
  for (const name of ['COUNTERSIGN_TOKEN', 'COUNTERSIGN_TOKEN_FILE']) {
    if (process.env[name] !== undefined) say(`${name} is set here: commands use it instead of the stored login.`);
  }
}
