import type { MintedToken } from '../sdk/index.js';
import { bothTimes } from './instant.js';
import { say } from './output.js';
import { printable } from './printable.js';

/** Says what was made and where its secret belongs. `command` is what printed it, without its options. */
export function sayWhereItGoes(token: MintedToken, command: string): void {
  const until = bothTimes(token.expires_at, new Date());
  say(`${token.id} for workflow ${printable(token.workflow)}: ${printable(token.scopes.join(' '))}, until ${until}.`);
  // Where standard output is a pipe or a file already, the secret has found its way.
  if (!process.stdout.isTTY) return;
  say(`Its secret is shown this once. Pipe it to where the job finds it:
  GitHub Actions  ${command} … | gh secret set COUNTERSIGN_TOKEN
  GitLab CI       ${command} … | glab variable set COUNTERSIGN_TOKEN --masked
  a file          (umask 077 && ${command} … > agent.token), then COUNTERSIGN_TOKEN_FILE=agent.token`);
}
