import type { Passkey } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { bothTimes, relativeTime } from './instant.js';
import { messageView, outputView, print, printJson, say } from './output.js';
import { memberId } from './people.js';
import { printable } from './printable.js';
import { qrCode } from './qr-code.js';
import { type Column, renderTable } from './table.js';

/** `passkey add`: prints the link, which is a secret. */
export async function addPasskey(flags: { name?: string; json?: true }): Promise<number> {
  const client = await signedInClient();
  const link = await client.passkeys.add({ name: flags.name });
  if (flags.json) {
    printJson(link);
    return 0;
  }
  const view = messageView();
  say('Open this in the browser that the passkey is for, or scan it with a phone:\n');
  print(printable(link.url));
  if (view.isTerminal) say(`\n${await qrCode(link.url, view.hasColour)}`);
  say(`\nIt is good once, until ${bothTimes(link.expires_at, new Date())}. Whoever has it adds a passkey of yours.`);
  return 0;
}

/** `passkey list`. */
export async function listPasskeys(flags: { member?: string; json?: true }): Promise<number> {
  const client = await signedInClient();
  const member = flags.member === undefined ? undefined : await memberId(client, flags.member);
  const { data } = await client.passkeys.list({ member });
  if (flags.json) printJson({ data });
  else for (const line of renderTable(columns(new Date()), data, outputView())) print(line);
  return 0;
}

/** `passkey remove`. */
export async function removePasskey(id: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  await client.passkeys.remove(id);
  if (flags.json) printJson({ id, status: 'removed' });
  else say(`${printable(id)} is removed: nobody signs in or confirms with it any more.`);
  return 0;
}

function columns(now: Date): Column<Passkey>[] {
  return [
    { title: 'ID', value: (passkey) => passkey.id, isWhole: true },
    { title: 'NAME', value: (passkey) => passkey.name },
    {
      title: 'SINCE',
      value: (passkey) => passkey.created_at,
      shown: (passkey) => relativeTime(passkey.created_at, now),
    },
    {
      title: 'LAST USED',
      value: (passkey) => passkey.last_used_at ?? '',
      shown: (passkey) => (passkey.last_used_at === null ? 'never' : relativeTime(passkey.last_used_at, now)),
    },
  ];
}
