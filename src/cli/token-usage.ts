import type { TokenUsage, UsageDay, UsedPlace, UsedPlaces } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { relativeTime, timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { type Column, renderDetails, renderTable } from './table.js';
import { lastRunLines } from './tokens.js';

export interface UsageFlags {
  days?: number;
  lineage?: true;
  json?: true;
}

/** `token usage`. */
export async function tokenUsage(id: string, flags: UsageFlags): Promise<number> {
  const usage = await (await signedInClient()).tokens.usage(id, { days: flags.days, lineage: flags.lineage });
  if (flags.json) printJson(usage);
  else printUsage(usage);
  return 0;
}

function printUsage(usage: TokenUsage): void {
  const view = outputView();
  const now = new Date();
  const places = placesOf(usage);
  const details = renderDetails(
    [
      ['token', usage.token_id],
      ['counted with it', usage.tokens.data.filter((id) => id !== usage.token_id).join(' ')],
      ['last used', timeIn(view, usage.last_used_at, now) ?? 'never'],
      ['last used as', usage.last_used_token_id === usage.token_id ? null : usage.last_used_token_id],
      ['last used from', usage.last_used_ip],
      ['last used by', usage.last_used_by],
      ...lastRunLines(usage.last_used_run, (at) => timeIn(view, at, now)),
      ['allowed', String(usage.total.allowed)],
      ['denied', String(usage.total.denied)],
    ],
    view,
  );
  const days = renderTable(view.isTerminal ? [...DAY_COLUMNS, barOf(usage.days)] : DAY_COLUMNS, usage.days, view);
  const used = places.length === 0 ? [] : renderTable(placeColumns(now), places, view);
  const between = view.isTerminal ? [''] : [];
  const lines = [...details, ...between, ...days, ...(used.length > 0 ? between : []), ...used];
  for (const line of lines) print(line);
  for (const gap of gapsOf(usage)) say(gap);
}

const DAY_COLUMNS: Column<UsageDay>[] = [
  { title: 'DAY', value: ({ day }) => day, isWhole: true },
  { title: 'ALLOWED', value: ({ allowed }) => String(allowed), isWhole: true },
  { title: 'DENIED', value: ({ denied }) => String(denied), isWhole: true },
];

const BAR_WIDTH = 40;

/** A bar for each day, the longest of them as long as there is room: `#` for what was allowed, `x` for what was denied. */
function barOf(days: readonly UsageDay[]): Column<UsageDay> {
  const most = Math.max(1, ...days.map(({ allowed, denied }) => allowed + denied));
  const length = (count: number) => (count === 0 ? 0 : Math.max(1, Math.round((count / most) * BAR_WIDTH)));
  return { title: '', value: ({ allowed, denied }) => '#'.repeat(length(allowed)) + 'x'.repeat(length(denied)) };
}

interface Place extends UsedPlace {
  readonly kind: string;
  readonly shown: string;
}

function placesOf(usage: TokenUsage): Place[] {
  const of = (kind: string, { data }: UsedPlaces) => data.map((place) => ({ ...place, kind, shown: place.value }));
  return [
    ...of('repository', usage.repositories),
    ...of('ref', usage.refs),
    ...of('environment', usage.environments),
    ...of('job', usage.jobs),
    ...usage.runners.data.map(({ id, name, ...place }) => ({ ...place, kind: 'runner', value: id, shown: name })),
    ...of('address', usage.addresses),
  ];
}

function placeColumns(now: Date): Column<Place>[] {
  return [
    { title: 'WHERE', value: ({ kind }) => kind, isWhole: true },
    { title: '', value: ({ value }) => value, shown: ({ shown }) => shown },
    { title: 'ALLOWED', value: ({ allowed }) => String(allowed), isWhole: true },
    { title: 'DENIED', value: ({ denied }) => String(denied), isWhole: true },
    {
      title: 'FIRST SEEN',
      value: (place) => place.first_seen_at,
      shown: (place) => relativeTime(place.first_seen_at, now),
      isSpare: true,
    },
    {
      title: 'LAST SEEN',
      value: (place) => place.last_seen_at,
      shown: (place) => relativeTime(place.last_seen_at, now),
    },
  ];
}

/** What the figures leave out. */
function gapsOf(usage: TokenUsage): string[] {
  const { repositories, refs, environments, jobs, runners, addresses } = usage;
  const kinds = [repositories, refs, environments, jobs, runners, addresses];
  return [
    ...(usage.complete_since === usage.since
      ? []
      : [`There were too many checks to count: these are all of them since ${usage.complete_since}.`]),
    ...(usage.tokens.has_more
      ? ['The lineage has more tokens than can be counted together: older ones are left out.']
      : []),
    ...(kinds.some((kind) => kind.has_more) ? ['There were more places: the latest 50 of each kind are shown.'] : []),
  ];
}
