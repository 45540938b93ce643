import { everyPage, type Member, type MemberStatus, type Role } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { memberId } from './people.js';
import { printable } from './printable.js';
import { type Column, renderTable } from './table.js';

/** `member list`. */
export async function listMembers(flags: { limit?: number; json?: true }): Promise<number> {
  const client = await signedInClient();
  const pageSize = Math.min(flags.limit ?? 200, 200);
  const pages = everyPage((cursor) => client.members.list({ cursor, limit: pageSize }));
  const members = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: members });
  else for (const line of renderTable(columns(new Date()), members, outputView())) print(line);
  return 0;
}

/** `member set-role`. */
export async function setRole(who: string, role: Role, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const member = await client.members.patch(await memberId(client, who), { role });
  tell(member, `is ${member.role} now`, flags);
  return 0;
}

/** `member suspend`. */
export async function suspendMember(who: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const member = await client.members.suspend(await memberId(client, who));
  tell(member, 'is suspended: all tokens of that creator are inactive', flags);
  return 0;
}

/** `member reactivate`. */
export async function reactivateMember(who: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const member = await client.members.reactivate(await memberId(client, who));
  tell(member, 'is active again', flags);
  return 0;
}

/** `member remove`. */
export async function removeMember(who: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const id = await memberId(client, who);
  await client.members.remove(id);
  if (flags.json) printJson({ id, status: 'removed' });
  else say(`${printable(who)} is removed, and all tokens of that creator are revoked.`);
  return 0;
}

function tell(member: Member, what: string, flags: { json?: true }): void {
  if (flags.json) printJson(member);
  else say(`${printable(member.email)} ${what}.`);
}

function columns(now: Date): Column<Member>[] {
  return [
    { title: 'ID', value: (member) => member.id, isWhole: true },
    { title: 'EMAIL', value: (member) => member.email },
    { title: 'NAME', value: (member) => member.name ?? '' },
    { title: 'ROLE', value: (member) => member.role },
    { title: 'STATUS', value: (member) => member.status, colour: (member) => statusColour(member.status) },
    {
      title: 'SINCE',
      value: (member) => member.created_at,
      shown: (member) => relativeTime(member.created_at, now),
    },
  ];
}

function statusColour(status: MemberStatus): Colour {
  switch (status) {
    case 'active':
      return 'green';
    case 'invited':
    case 'suspended':
      return 'yellow';
    case 'removed':
      return 'red';
  }
}
