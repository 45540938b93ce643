import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePublicId, printId, type TokenId } from '../../src/rules/format.js';
import { MAX_SEARCHED } from '../../src/store/search.js';
import { operations } from '../../src/wire/openapi.js';
import { type PlanCluster, startPlanCluster } from './plans-cluster.js';
import { memberAt, RUNNING } from './plans-data.js';
import { LISTS, type List } from './plans-lists.js';
import { nodesOf, type PlanNode, pagesOf, printPlan, type RanStatement, rowsRead } from './plans-log.js';
import { type Run, runEverything, stepOf } from './plans-run.js';
import { PANICS } from './plans-steps.js';

let cluster: PlanCluster;
let ran: ReadonlyMap<string, readonly RanStatement[]>;
let answered: ReadonlySet<string>;
let open: Run['open'];
beforeAll(async () => {
  cluster = await startPlanCluster();
  ({ ran, answered, open } = await runEverything(cluster));
}, 180_000);
afterAll(() => cluster.close());

const LARGE_TABLES = /^(tokens|exec_checks_\d+|audit_events|idempotency_keys|members|workflows|tool_decisions)$/;
/** How many rows a statement may read of a table: a page of a list is 51. */
const MAY_READ = 300;
// Where the rows of a page lie close together, reading those in between is cheaper than passing them over.
const MAY_READ_LISTING = 1_200;
const MAY_READ_OTHERWISE = new Map([
  // The keys that end within half an hour are a thousand.
  ['keep house', 2_100],
  // A quarter of a year of a tenth of all checks: it counts 50,000 at most.
  ['tell what has used a token', 8_000],
  ['tell what has used a token, by general plans', 8_000],
  // It looks through 10,000 for what a member may see.
  ['give the ends of tokens as a calendar', 10_001],
  ['give the ends of tokens as a calendar, by general plans', 10_001],
  // All that is under way is looked through.
  ['mark what was lost', 1.1 * RUNNING],
  ['mark what was lost, by general plans', 1.1 * RUNNING],
  ...PANICS.map(([name, , rows]) => [name, rows] as const),
]);
/** What asks the database as `POST /v1/leaks` does, once a signature by a key from outside is verified. */
const LIKE_ANOTHER = new Set(['POST /v1/leaks/github']);
/** How many pages of the database a search may touch: each of its rows may be on another one, and what it is joined with. */
const MAY_TOUCH = 3 * MAX_SEARCHED;

describe('over a million tokens', () => {
  it('every endpoint was asked, and answered', () => {
    const all = operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(all.filter((operation) => !answered.has(operation) && !LIKE_ANOTHER.has(operation))).toEqual([]);
  });

  it('no statement reads a table from end to end', () => {
    // The partitions of the coming months are empty.
    const isEmpty = (node: PlanNode) => /^exec_checks/.test(node['Relation Name'] ?? '') && rowsRead(node) === 0;
    expect(faults((node) => node['Node Type'] === 'Seq Scan' && !isEmpty(node))).toEqual([]);
  });

  it('no statement reads many more rows than it gives, but a search', () => {
    const bounds = new Map([
      ...MAY_READ_OTHERWISE,
      ...ORDERED.flatMap(stepsOf).map((step) => [step, MAY_READ_LISTING] as const),
    ]);
    const searches = new Set(SEARCHED.flatMap(stepsOf));
    const isFault = (node: PlanNode, step: string) => rowsRead(node) > (bounds.get(step) ?? MAY_READ);
    expect(faults((node, step) => !searches.has(step) && isFault(node, step))).toEqual([]);
  });

  it('a page of a list that an index has costs the same wherever it is', () => {
    const uneven = ORDERED.filter((list) => {
      const [first = 0, ...others] = costs(list);
      // The newest page has what the steps made: of few people and workflows, which are read once.
      return Math.max(...others) > 3 * first + 250;
    });
    expect(uneven.map(printCosts)).toEqual([]);
  });

  it('a page of a list that is searched costs no more than its bound, wherever it is', () => {
    expect(SEARCHED.filter((list) => Math.max(...costs(list)) > MAY_TOUCH).map(printCosts)).toEqual([]);
  });
});

it('a search that goes on where it stopped finds all, each once, newest first', async () => {
  const { service, large } = await open();
  const creator = memberAt(701);
  const client = service.client(large.printed);
  const found: string[] = [];
  let shortPages = 0;
  let cursor: string | undefined;
  do {
    const page = await client.tokens.list({ creator, status: 'revoked', limit: 200, cursor });
    found.push(...page.data.map((token) => token.id));
    if (page.data.length < 200) shortPages += 1;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  const wanted = await service.db.sql<{ id: TokenId }[]>`
    select id from tokens where workspace_id = ${large.workspace.id} and revoked_at is not null
      and creator_id = ${parsePublicId('mem', creator) ?? ''} order by id desc`;
  await service.close();
  expect(shortPages).toBeGreaterThan(1);
  expect(found).toEqual(wanted.map(({ id }) => printId('tok', id)));
});

const ORDERED = LISTS.filter(({ kind }) => kind === 'ordered');
const SEARCHED = LISTS.filter(({ kind }) => kind === 'searched');

function stepsOf(list: List): string[] {
  return list.pages.map((_, page) => stepOf(list, page));
}

/** The nodes over large tables that something is wrong with, each with its statement. */
function faults(isFault: (node: PlanNode, step: string) => boolean): string[] {
  return [...ran].flatMap(([step, statements]) =>
    statements.flatMap(({ text, plan }) =>
      nodesOf(plan)
        .filter((node) => LARGE_TABLES.test(node['Relation Name'] ?? '') && isFault(node, step))
        .map((node) => `${step}\n${printPlan({ ...node, Plans: [] })}\nin ${text.slice(0, 2_000)}\n${printPlan(plan)}`),
    ),
  );
}

/** How many pages of the database each page of a list touches. */
function costs(list: List): number[] {
  return list.pages.map((_, page) => {
    const statements = ran.get(stepOf(list, page)) ?? [];
    const reads = statements.filter(({ plan }) =>
      nodesOf(plan).some((node) => LARGE_TABLES.test(node['Relation Name'] ?? '')),
    );
    if (reads.length === 0) throw new Error(`nothing was written down of ${stepOf(list, page)}`);
    return reads.map(pagesOf).reduce((sum, pages) => sum + pages);
  });
}

function printCosts(list: List): string {
  const plans = list.pages.flatMap((_, page) => (ran.get(stepOf(list, page)) ?? []).map(({ plan }) => printPlan(plan)));
  return `${list.name} touches ${costs(list).join(', ')} pages\n${plans.join('\n')}`;
}
