import { clientFor } from './client.js';
import { cleanToken, readServiceUrl } from './connection.js';
import { loginPath, nameLogin, rememberLogin } from './login-file.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { sayWhatBeatsIt } from './signed-in.js';
import { readSecret } from './stdin.js';

/** `member accept`: trades the invitation on standard input for a token, which becomes the stored login. */
export async function acceptInvitation(flags: { json?: true }): Promise<number> {
  const url = await readServiceUrl();
  const invitation = cleanToken(
    await readSecret('the invitation', 'countersign member accept < invitation.txt'),
    'standard input',
  );
  const { token, ...member } = await clientFor(url, undefined).members.accept(invitation);
  await rememberLogin(process.env, url, { token });
  // The invitation is used up by now: what comes after it is no reason to say that it failed.
  const me = await clientFor(url, token)
    .me()
    .catch(() => undefined);
  if (me) await nameLogin(process.env, url, me.workspace.slug);
  if (flags.json) printJson({ ...member, url });
  say(`Welcome, ${printable(member.name ?? member.email)}: signed in to ${url} as ${member.role}, for 7 days.`);
  say(`Stored in ${printable(loginPath(process.env))}.`);
  sayWhatBeatsIt();
  return 0;
}
