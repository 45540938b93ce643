import { everyPage, type Session } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { memberId } from './people.js';
import { printable } from './printable.js';
import { type Column, renderTable } from './table.js';

export interface SessionListFlags {
  readonly member?: string;
  readonly all?: true;
  readonly json?: true;
}

/** `session list`: those that go on, unless all are asked for. */
export async function listSessions(flags: SessionListFlags): Promise<number> {
  const client = await signedInClient();
  const member = flags.member === undefined ? undefined : await memberId(client, flags.member);
  const pages = everyPage((cursor) => client.sessions.list({ member, cursor, limit: 200 }));
  const all = await collect(pages, undefined);
  const shown = flags.all ? all : all.filter(({ status }) => status === 'active');
  if (flags.json) printJson({ data: shown });
  else for (const line of renderTable(columns(new Date()), shown, outputView())) print(line);
  return 0;
}

/** `session end`. */
export async function endSession(id: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  await client.sessions.end(id);
  if (flags.json) printJson({ id, status: 'ended' });
  else say(`${printable(id)} has ended, and the tokens that were approved in it are revoked.`);
  return 0;
}

function columns(now: Date): Column<Session>[] {
  return [
    { title: 'ID', value: (session) => session.id, isWhole: true },
    { title: 'BY', value: (session) => session.method },
    {
      title: 'STATUS',
      value: (session) => session.status,
      colour: (session) => (session.status === 'active' ? 'green' : undefined),
    },
    {
      title: 'SINCE',
      value: (session) => session.created_at,
      shown: (session) => relativeTime(session.created_at, now),
    },
    {
      title: 'LAST USED',
      value: (session) => session.last_used_at,
      shown: (session) => relativeTime(session.last_used_at, now),
    },
    { title: 'FROM', value: (session) => session.ip ?? '' },
    { title: 'WITH', value: (session) => session.user_agent ?? '' },
  ];
}
