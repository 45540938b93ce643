import { readServiceUrl } from './connection.js';
import { forgetLogin } from './login-file.js';
import { printJson, say } from './output.js';

/** `auth logout`: forgets the stored login. The token itself stays valid. */
export async function logout(flags: { json?: true }): Promise<number> {
  const url = await readServiceUrl();
  const wasStored = await forgetLogin(process.env, url);
  if (flags.json) printJson({ url, was_signed_in: wasStored });
  say(wasStored ? `Forgot the login for ${url}.` : `No login for ${url} was stored.`);
  if (wasStored) say('Its token stays valid until it expires or is revoked.');
  return 0;
}
