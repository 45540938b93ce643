import { everyPage, type LastRun, type Token, type TokenStatus } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { constraintLines } from './constraint-flags.js';
import { relativeTime, timeIn } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { memberId, personText } from './people.js';
import { printable } from './printable.js';
import { type Column, renderDetails, renderTable } from './table.js';

export interface TokenListFlags {
  workflow?: string;
  creator?: string;
  owner?: string;
  status?: TokenStatus;
  expiresBefore?: string;
  unusedSince?: string;
  limit?: number;
  json?: true;
}

/** `token list`. */
export async function listTokens(flags: TokenListFlags): Promise<number> {
  const client = await signedInClient();
  const query = {
    workflow: flags.workflow,
    creator: flags.creator && (await memberId(client, flags.creator)),
    owner: flags.owner && (await memberId(client, flags.owner)),
    status: flags.status,
    expires_before: flags.expiresBefore,
    unused_since: flags.unusedSince,
    limit: Math.min(flags.limit ?? 200, 200),
  };
  const pages = everyPage((cursor) => client.tokens.list({ ...query, cursor }));
  const tokens = await collect(pages, flags.limit);
  if (flags.json) {
    printJson({ data: tokens });
    return 0;
  }
  if (tokens.length === 0) say('No tokens match.');
  else for (const line of renderTable(columns(new Date()), tokens, outputView())) print(line);
  return 0;
}

/** `token show`. */
export async function showToken(id: string, flags: { json?: true }): Promise<number> {
  const token = await (await signedInClient()).tokens.show(id);
  if (flags.json) printJson(token);
  else printToken(token);
  if (!flags.json && token.status === 'suspended') say(`What holds it back: countersign token explain ${token.id}`);
  return 0;
}

/** `token transfer`: another member becomes accountable. */
export async function transferToken(id: string, flags: { to: string; json?: true }): Promise<number> {
  const client = await signedInClient();
  const token = await client.tokens.transfer(id, { owner_id: await memberId(client, flags.to) });
  if (flags.json) printJson(token);
  else say(`${token.id} is owned by ${printable(personText(token.owner))} now.`);
  return 0;
}

/** Colours a state: green is good to use, red is gone, yellow is held back or on its way out. */
export function statusColour(status: TokenStatus): Colour {
  switch (status) {
    case 'active':
      return 'green';
    case 'rotating':
    case 'suspended':
    case 'not_yet_valid':
      return 'yellow';
    case 'superseded':
    case 'expired':
    case 'revoked':
      return 'red';
  }
}

function columns(now: Date): Column<Token>[] {
  return [
    { title: 'ID', value: (token) => token.id, isWhole: true },
    { title: 'WORKFLOW', value: (token) => token.workflow },
    { title: 'NAME', value: (token) => token.name ?? '' },
    { title: 'OWNER', value: (token) => token.owner.email },
    { title: 'STATUS', value: (token) => token.status, colour: (token) => statusColour(token.status) },
    {
      title: 'EXPIRES',
      value: (token) => token.expires_at,
      shown: (token) => relativeTime(token.expires_at, now),
    },
    {
      title: 'LAST USED',
      value: (token) => token.last_used_at ?? '',
      shown: (token) => (token.last_used_at === null ? 'never' : relativeTime(token.last_used_at, now)),
    },
  ];
}

function printToken(token: Token): void {
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const lines = renderDetails(
    [
      ['id', token.id],
      ['name', token.name],
      ['workflow', token.workflow],
      ['status', token.status],
      ['scopes', token.scopes.join(' ')],
      ...constraintLines(token.constraints),
      ['creator', personText(token.creator)],
      ['owner', personText(token.owner)],
      ['created', time(token.created_at)],
      ['not before', time(token.not_before)],
      ['expires', time(token.expires_at)],
      ['last used', time(token.last_used_at) ?? 'never'],
      ['last used from', token.last_used_ip],
      ['last used by', token.last_used_by],
      ...lastRunLines(token.last_used_run, time),
      ['lineage', token.lineage_id],
      ['rotated from', token.rotated_from],
      ['rotated to', token.rotated_to],
      ['overlap ends', time(token.overlap_ends_at)],
      ['runner', token.runner_id],
      ['frozen', time(token.frozen_at)],
      ['frozen because', token.frozen_reason],
      ['may be taken over by', token.takeover_by],
      ['until', time(token.takeover_until)],
      ['revoked', time(token.revoked_at)],
      ['revoked by', token.revoked_by],
      ['reason', token.revoked_reason],
    ],
    view,
  );
  for (const line of lines) print(line);
}

/** The run that began by a token last, as lines of details. */
export function lastRunLines(run: LastRun | null, time: (at: string | null) => string | undefined | null) {
  if (run === null) return [];
  const lines: [string, string | null | undefined][] = [
    ['last run', run.run_id],
    ['began', time(run.started_at)],
    ['in', [run.repository, run.ref].filter((part) => part !== null).join(' at ') || null],
    ['as job', run.job],
    ['on runner', run.runner?.name],
  ];
  return lines;
}
