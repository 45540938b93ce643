import { readSignedIn } from './connection.js';
import { print, printJson } from './output.js';

/** `auth token`: prints the token that commands use, for a program that needs it. */
export async function printAuthToken(flags: { json?: true }): Promise<number> {
  const { url, token, source } = await readSignedIn();
  if (flags.json) printJson({ url, token, source });
  else print(token);
  return 0;
}
