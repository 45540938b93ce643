import type { Me } from '../sdk/index.js';
import { bothTimes } from './instant.js';
import { loginPath } from './login-file.js';
import { say } from './output.js';
import { printable } from './printable.js';

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
