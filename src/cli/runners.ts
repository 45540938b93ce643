import { type Client, everyPage, ProblemError, type Runner, type RunnerStatus } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime, timeIn } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { personText } from './people.js';
import { printable } from './printable.js';
import { type Column, renderDetails, renderTable } from './table.js';

type Flags = { json?: true };

/** `runner list`. */
export async function listRunners(flags: Flags & { limit?: number }): Promise<number> {
  const client = await signedInClient();
  const pageSize = Math.min(flags.limit ?? 200, 200);
  const pages = everyPage((cursor) => client.runners.list({ cursor, limit: pageSize }));
  const runners = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: runners });
  else if (runners.length === 0) say('There are no runners. A host becomes one with: countersign runner join');
  else for (const line of renderTable(columns(new Date()), runners, outputView())) print(line);
  return 0;
}

/** `runner show`. */
export async function showRunner(who: string, flags: Flags): Promise<number> {
  const client = await signedInClient();
  const runner = await client.runners.show(await runnerId(client, who));
  if (flags.json) printJson(runner);
  else printRunner(runner);
  return 0;
}

/** `runner set`: another name, other labels. */
export async function setRunner(who: string, flags: Flags & { name?: string; label?: string[] }): Promise<number> {
  const client = await signedInClient();
  const patch = { name: flags.name, labels: flags.label };
  tell(await client.runners.patch(await runnerId(client, who), patch), 'is changed', flags);
  return 0;
}

/** `runner suspend`. */
export async function suspendRunner(who: string, flags: Flags): Promise<number> {
  const client = await signedInClient();
  const runner = await client.runners.suspend(await runnerId(client, who));
  tell(runner, 'is suspended: its token is inactive, and its jobs end', flags);
  return 0;
}

/** `runner reactivate`. */
export async function reactivateRunner(who: string, flags: Flags): Promise<number> {
  const client = await signedInClient();
  tell(await client.runners.reactivate(await runnerId(client, who)), 'is active again', flags);
  return 0;
}

/** `runner remove`. */
export async function removeRunner(who: string, flags: Flags): Promise<number> {
  const client = await signedInClient();
  const id = await runnerId(client, who);
  await client.runners.remove(id);
  if (flags.json) printJson({ id, status: 'removed' });
  else say(`${printable(who)} is removed: its tokens are revoked, and its jobs end.`);
  return 0;
}

/** Prints what is known of a runner, and of which service it is where that is not plain. */
export function printRunner(runner: Runner, service?: string): void {
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const lines = renderDetails(
    [
      ['service', service],
      ['id', runner.id],
      ['name', runner.name],
      ['labels', runner.labels.join(' ') || 'none'],
      ['status', runner.status],
      ['thumbprint', runner.thumbprint],
      ['approved by', personText(runner.approved_by)],
      ['approved', time(runner.created_at)],
      ['last seen', time(runner.last_seen_at) ?? 'never'],
      ['token', runner.token_id],
      ['token expires', time(runner.token_expires_at)],
    ],
    view,
  );
  for (const line of lines) print(line);
}

/** Finds the id of a runner that is named by id or name. */
async function runnerId(client: Client, who: string): Promise<string> {
  if (who.startsWith('rnr_')) return who;
  for await (const runner of everyPage((cursor) => client.runners.list({ cursor, limit: 200 }))) {
    if (runner.name === who) return runner.id;
  }
  throw new ProblemError({ status: 404, kind: 'not-found', detail: `there is no runner ${who}` });
}

function tell(runner: Runner, what: string, flags: Flags): void {
  if (flags.json) printJson(runner);
  else say(`${printable(runner.name)} ${what}.`);
}

function columns(now: Date): Column<Runner>[] {
  return [
    { title: 'ID', value: ({ id }) => id, isWhole: true },
    { title: 'NAME', value: ({ name }) => name },
    { title: 'LABELS', value: ({ labels }) => labels.join(' ') },
    { title: 'STATUS', value: ({ status }) => status, colour: ({ status }) => statusColour(status) },
    {
      title: 'LAST SEEN',
      value: ({ last_seen_at }) => last_seen_at ?? '',
      shown: ({ last_seen_at }) => (last_seen_at === null ? 'never' : relativeTime(last_seen_at, now)),
    },
    {
      title: 'TOKEN EXPIRES',
      value: ({ token_expires_at }) => token_expires_at ?? '',
      shown: ({ token_expires_at }) => (token_expires_at === null ? '' : relativeTime(token_expires_at, now)),
      isSpare: true,
    },
  ];
}

function statusColour(status: RunnerStatus): Colour {
  switch (status) {
    case 'active':
      return 'green';
    case 'suspended':
      return 'yellow';
    case 'removed':
      return 'red';
  }
}
