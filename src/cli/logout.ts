import { isOutOfReach } from '../sdk/index.js';
import { chosenWorkspace } from './chosen-workspace.js';
import { clientFor } from './client.js';
import { readServiceUrl } from './connection.js';
import { forgetLogin } from './login-file.js';
import { printJson, say } from './output.js';

export interface LogoutFlags {
  keep?: true;
  json?: true;
}

const STILL_VALID = 'Its token stays valid until it expires or is revoked.';

/** `auth logout`: forgets the stored login. A token that was made for this login alone is revoked, unless it is to be kept;
 *  another one stays valid. Exit 69 when a token that should end could not be revoked. */
export async function logout({ keep, json }: LogoutFlags): Promise<number> {
  const url = await readServiceUrl();
  const forgotten = await forgetLogin(process.env, url, chosenWorkspace(process.env).slug);
  const isToEnd = forgotten?.via === 'device' && !keep;
  const isRevoked = isToEnd && (await isEnded(url, forgotten.token));
  if (json) printJson({ url, was_signed_in: forgotten !== undefined, ...(isToEnd ? { is_revoked: isRevoked } : {}) });
  say(forgotten ? `Forgot the login for ${url}.` : `No login for ${url} was stored.`);
  if (isToEnd && !isRevoked) say(`${url} is out of reach, so that its token could not be revoked.`);
  if (forgotten) say(isRevoked ? 'Its token is revoked.' : STILL_VALID);
  return isToEnd && !isRevoked ? 69 : 0;
}

async function isEnded(url: string, token: string): Promise<boolean> {
  try {
    await clientFor(url, undefined).revoke(token);
    return true;
  } catch (error) {
    if (isOutOfReach(error)) return false;
    throw error;
  }
}
