import type { Role } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';

export interface AddFlags {
  role: Role;
  name?: string;
  json?: true;
}

/** `member add`: invites a person. Only the invitation goes to standard output. */
export async function addMember(email: string, flags: AddFlags): Promise<number> {
  const invited = await (await signedInClient()).members.invite({ email, name: flags.name, role: flags.role });
  if (flags.json) {
    printJson(invited);
    return 0;
  }
  print(invited.invitation);
  say(`${printable(invited.email)} is invited as ${invited.role}. The invitation is shown this once, and is good once, for 72 hours.
Pass it on by a private channel. It is accepted with: countersign member accept < invitation.txt`);
  return 0;
}
