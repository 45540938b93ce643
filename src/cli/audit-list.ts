import type { AuditEvent, Client } from '../sdk/index.js';
import { everyPage } from '../sdk/index.js';
import { unverifiedClaims } from './checkpoint.js';
import { collect, signedInClient } from './client.js';
import { outputView, print, printJson, say, type View } from './output.js';
import { type Column, renderTable } from './table.js';

export interface AuditListFlags {
  after?: number;
  action?: string;
  target?: string;
  limit?: number;
  json?: true;
}

const USUAL_LIMIT = 50;

const COLUMNS: Column<AuditEvent>[] = [
  { title: 'SEQ', value: (event) => String(event.seq), isWhole: true },
  { title: 'AT', value: (event) => event.at, shown: (event) => event.at.replace(/\.\d+Z$/, 'Z'), isWhole: true },
  { title: 'ACTION', value: (event) => event.action },
  { title: 'TARGET', value: (event) => event.target, isWhole: true },
  { title: 'BY', value: actorText },
  { title: 'FROM', value: (event) => event.ip ?? '', isSpare: true },
];

/** `audit list`: the last events; with `--after` or a filter, the first ones that match. Always in the chain's order. */
export async function listEvents(flags: AuditListFlags): Promise<number> {
  const client = await signedInClient();
  const limit = flags.limit ?? USUAL_LIMIT;
  const isNarrowed = flags.after !== undefined || flags.action !== undefined || flags.target !== undefined;
  const after = isNarrowed ? flags.after : await seqBefore(client, limit);
  const query = { after, action: flags.action, target: flags.target, limit: Math.min(limit + 1, 200) };
  const found = await collect(
    everyPage((cursor) => client.auditEvents({ ...query, cursor })),
    limit + 1,
  );
  const events = found.slice(0, limit);
  if (flags.json) printJson({ data: events });
  else if (events.length === 0) say('No events match.');
  else for (const line of eventLines(events, outputView())) print(line);
  if (found.length > limit) say(`There are later ones: go on with --after ${events.at(-1)?.seq}.`);
  return 0;
}

/** Lays events out. */
export function eventLines(events: readonly AuditEvent[], view: View): string[] {
  return renderTable(COLUMNS, events, view);
}

async function seqBefore(client: Client, count: number): Promise<number> {
  const { checkpoint } = await client.auditCheckpoint();
  return Math.max(0, unverifiedClaims(checkpoint).seq - count);
}

/** Who did it, and with which token when a member did. The id says what kind of actor it is: `host` is whoever has the
 *  machine, `countersign` the service itself. */
function actorText({ actor, data }: AuditEvent): string {
  return typeof data['via'] === 'string' ? `${actor.id} via ${data['via']}` : actor.id;
}
