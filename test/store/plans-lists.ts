import { idFloor, printId } from '../../src/rules/format.js';
import { TOKEN_STATUSES, type TokenStatus } from '../../src/rules/token.js';
import { checkedTokenAt, DECIDED_RUN, memberAt } from './plans-data.js';

/** A list as it is asked for. */
export interface List {
  readonly name: string;
  /** Who asks: the owner, or a plain member, who sees what is its own. */
  readonly by: 'large' | 'member';
  /** `ordered` when an index gives it as it is, `searched` when rows are weighed one by one. */
  readonly kind: 'ordered' | 'searched';
  /** The paths of its first page, one in the middle and one near the end. */
  readonly pages: readonly string[];
}

const NOW = Date.now();
const instant = (daysAgo: number) => new Date(NOW - daysAgo * 86_400_000).toISOString();
const before = (daysAgo: number) => new Date(instant(daysAgo));

// In a year of a million tokens, 50 on a page, the middle is page 10,000.
const TOKENS_BEFORE = [182.5, 360].map((days) => `tokens:${printId('tok', idFloor('tok', before(days)))}`);
const CHECKS_BEFORE = [182.5, 330].map((days) => `checks:${printId('chk', idFloor('chk', before(days)))}`);
const EVENTS_AFTER = ['events:150000', 'events:295000'];
const WORKFLOWS_AFTER = ['workflows:job-1800', 'workflows:job-940'];
const MEMBERS_AFTER = [`members:${memberAt(600)}`, `members:${memberAt(900)}`];

// The first has a tenth of all; the creator 701 a twentieth.
const WORKFLOWS = ['workflow=job-0', 'workflow=job-7', 'workflow=never-was'];
const PEOPLE = [701, 800].flatMap((i) => [`creator=${memberAt(i)}`, `owner=${memberAt(i)}`]);
const isWeighed = (status: TokenStatus) => status !== 'revoked';
const WEIGHED = TOKEN_STATUSES.filter(isWeighed).map((status) => `status=${status}`);
const SEARCHED_TOKENS = [
  ...WEIGHED,
  ...['status=revoked', ...WEIGHED].map((status) => `workflow=job-0&${status}`),
  `expires_before=${instant(-7)}`,
  `expires_before=${instant(400)}`,
  `unused_since=${instant(30)}`,
  `unused_since=${instant(400)}`,
  `creator=${memberAt(701)}&status=revoked`,
  `creator=${memberAt(701)}&workflow=job-0`,
  `creator=${memberAt(800)}&owner=${memberAt(900)}`,
  `status=active&expires_before=${instant(-7)}&unused_since=${instant(5)}`,
];
const OWN_SEARCHED = ['status=active', 'status=revoked', 'workflow=job-0', `creator=${memberAt(800)}`];

const TOKENS_CHECKED = [1, 500].map((i) => `token=${checkedTokenAt(i)}`);
const ORDERED_CHECKS = ['', ...WORKFLOWS, ...TOKENS_CHECKED, 'decision=deny', `after=${instant(200)}`];
const SEARCHED_CHECKS = [
  'decision=allow',
  'workflow=job-0&decision=deny',
  ...TOKENS_CHECKED.map((token) => `${token}&workflow=job-0`),
  ...TOKENS_CHECKED.map((token) => `${token}&decision=deny&after=${instant(200)}`),
];

const RUNS_BEFORE = CHECKS_BEFORE.map((place) => place.replace('checks:chk', 'runs:run'));
const RUNNING = ['', 'workflow=job-0', ...TOKENS_CHECKED, `${TOKENS_CHECKED[0]}&workflow=job-0`];
const OVER = ['finished', 'stopped', 'lost'].map((status) => `status=${status}`);
const SEARCHED_RUNS = [
  ...RUNNING,
  ...OVER,
  ...OVER.flatMap((over) => [`workflow=job-0&${over}`, `${TOKENS_CHECKED[0]}&${over}`]),
];

const DECISIONS_PATH = `/v1/exec/runs/${printId('run', DECIDED_RUN)}/tool-decisions`;
const DECISIONS_BEFORE = [0.35, 0.69].map((days) => `tool-decisions:${printId('dec', idFloor('dec', before(days)))}`);

const TARGET = 'target=tok_0000000000000000030000';
const EVENTS = [
  '',
  'action=token.minted',
  'action=token.revoked',
  'action=member.invited',
  TARGET,
  `${TARGET}&action=token.rotated`,
  `${TARGET}&action=token.revoked`,
  'after=140000&action=token.revoked',
];

// By their place, as SCIM has it: what lies before is counted, by an index.
const SCIM_LISTS = ['', 'sortBy=userName', 'filter=active eq true', 'filter=userName co "person"'].map(
  (filter): List => {
    const pages = [1, 500, 900].map((startIndex) => `/scim/v2/Users?${filter}&count=50&startIndex=${startIndex}`);
    return { name: `/scim/v2/Users?${filter} as owner`, by: 'large', kind: 'searched', pages };
  },
);

const reportsBefore = (kind: string) => TOKENS_BEFORE.map((place) => place.replace('tokens:', `report-${kind}:`));
// By their ends: within 90 days, that of the longest life.
const reportsAfter = (...daysAhead: readonly number[]) =>
  daysAhead.map((days) => `report-expiring:${before(-days).getTime()}.${printId('tok', idFloor('tok', before(0)))}`);
const REPORTS: readonly (readonly [kind: string, places: readonly string[], query?: string])[] = [
  ['ownerless', reportsBefore('ownerless')],
  ['unused', reportsBefore('unused'), '&days=1'],
  ['unused', reportsBefore('unused'), '&days=300'],
  ['beyond_policy', reportsBefore('beyond_policy')],
  ['expiring', reportsAfter(0.25, 0.75), '&days=1'],
  ['expiring', reportsAfter(30, 85), '&days=366'],
];

/** Every list, with every filter that it takes. */
export const LISTS: readonly List[] = [
  ...REPORTS.flatMap(([kind, places, query = '']) => [
    ...lists('/v1/reports/tokens', 'searched', 'large', [`kind=${kind}${query}`], places),
    ...lists('/v1/reports/tokens', 'searched', 'member', [`kind=${kind}${query}`], places),
  ]),
  ...lists('/v1/tokens', 'ordered', 'large', ['', ...WORKFLOWS, ...PEOPLE, 'status=revoked'], TOKENS_BEFORE),
  ...lists('/v1/tokens', 'searched', 'large', SEARCHED_TOKENS, TOKENS_BEFORE),
  ...lists('/v1/tokens', 'ordered', 'member', [''], TOKENS_BEFORE),
  ...lists('/v1/tokens', 'searched', 'member', OWN_SEARCHED, TOKENS_BEFORE),
  ...lists('/v1/exec/checks', 'ordered', 'large', ORDERED_CHECKS, CHECKS_BEFORE),
  ...lists('/v1/exec/checks', 'searched', 'large', SEARCHED_CHECKS, CHECKS_BEFORE),
  ...lists('/v1/exec/checks', 'ordered', 'member', [''], CHECKS_BEFORE),
  ...lists('/v1/exec/runs', 'searched', 'large', SEARCHED_RUNS, RUNS_BEFORE),
  ...lists('/v1/exec/runs', 'searched', 'member', ['', ...OVER], RUNS_BEFORE),
  ...lists(DECISIONS_PATH, 'ordered', 'large', [''], DECISIONS_BEFORE),
  ...lists(DECISIONS_PATH, 'searched', 'large', ['decision=deny', 'decision=allow'], DECISIONS_BEFORE),
  ...lists('/v1/audit-events', 'ordered', 'large', EVENTS, EVENTS_AFTER),
  ...lists('/v1/workflows', 'ordered', 'large', [''], WORKFLOWS_AFTER),
  ...lists('/v1/members', 'ordered', 'large', [''], MEMBERS_AFTER),
  ...SCIM_LISTS,
];

function lists(
  path: string,
  kind: List['kind'],
  by: List['by'],
  filters: readonly string[],
  places: readonly string[],
): List[] {
  const cursors = places.map((place) => `cursor=${Buffer.from(place).toString('base64url')}`);
  return filters.map((filter) => {
    const query = filter === '' ? [] : [filter];
    const pages = [query, ...cursors.map((cursor) => [...query, cursor])];
    const name = `${path}?${filter} as ${by === 'large' ? 'owner' : 'member'}`;
    return { name, by, kind, pages: pages.map((parts) => `${path}?${parts.join('&')}`) };
  });
}
