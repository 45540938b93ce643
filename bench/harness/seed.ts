import { randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { ConnectionOptions, Sql } from '../../src/store/connect.js';
import type { Pepper } from '../../src/store/secret.js';
import { built } from './built.js';

/** What the tokens of a load are for. */
export interface SeedGroup {
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly count: number;
}

export interface SeedOptions {
  readonly options: ConnectionOptions;
  readonly peppers: readonly [Pepper, ...Pepper[]];
  /** Tokens whose secrets are real, and known to the bench. */
  readonly groups: readonly SeedGroup[];
  /** Rows that nobody will present: their digests are random bytes. */
  readonly rows: number;
  readonly signal: AbortSignal;
}

/** The workflow of the rows that nobody presents. */
const CROWD_WORKFLOW = 'crowd';

// Of the same length as a real one; nothing ever verifies it.
const MADE_UP_VERIFIER = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const DAY_MS = 86_400_000;
const AGE_DAYS = 20;
const LIFE_DAYS = 90;
const ROWS_A_PIECE = 500;
const BULK = 200_000;

const COLUMNS = `workspace_id, id, kind, workflow, creator_id, owner_id, name, scopes, constraints, created_at, expires_at,
  expires_in_days, lineage_id, first_used_at, last_used_at, digest, pepper_kid, verifier, secret_set_at`;

/** Fills the first workspace of a database, and gives the printed tokens of each group by its workflow. The tokens count as
 *  used before, because the first use of a token is a transaction of its own. */
export async function seed(seeding: SeedOptions): Promise<ReadonlyMap<string, readonly string[]>> {
  const { connect } = await built<typeof import('../../src/store/connect.js')>('store/connect.js');
  const sql = connect(seeding.options, { max: 1 });
  try {
    const owner = await ownerOf(sql);
    for (const group of [...seeding.groups, { workflow: CROWD_WORKFLOW, scopes: ['codex:exec'] }]) {
      await addWorkflow(sql, owner.workspaceId, group);
    }
    const printed = new Map<string, readonly string[]>();
    const lines = rowsOf(seeding, owner, printed);
    await copyRows(sql, lines, seeding.rows >= BULK, seeding.signal);
    await sql`vacuum (analyze) tokens`;
    await sql`checkpoint`;
    return printed;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

interface Owner {
  readonly workspaceId: string;
  readonly memberId: string;
}

async function ownerOf(sql: Sql): Promise<Owner> {
  const [owner] = await sql<Owner[]>`
    select workspace_id as "workspaceId", id as "memberId" from members order by created_at limit 1`;
  if (owner === undefined) throw new Error('the database has no workspace yet');
  return owner;
}

async function addWorkflow(sql: Sql, workspaceId: string, { workflow, scopes }: Omit<SeedGroup, 'count'>) {
  const { newId } = await built<typeof import('../../src/rules/format.js')>('rules/format.js');
  await sql`
    insert into workflows (workspace_id, id, label, description, allowed_scopes, allowed_expiry_days, constraints,
      max_run_seconds, created_at, updated_at)
    values (${workspaceId}, ${newId('wfl', new Date())}, ${workflow}, 'made by the bench', ${[...scopes]},
      '{7,30,60,90}', '{}', 21600, now(), now())
    on conflict (workspace_id, label) do nothing`;
}

/** The rows in COPY's text form, oldest first as in a real table. The tokens of the groups are spread among the others. */
async function* rowsOf(
  { peppers, groups, rows }: SeedOptions,
  owner: Owner,
  printed: Map<string, readonly string[]>,
): AsyncGenerator<string> {
  const { newId, newTokenSecret, printToken } =
    await built<typeof import('../../src/rules/format.js')>('rules/format.js');
  const { createSecrets } = await built<typeof import('../../src/store/secret.js')>('store/secret.js');
  const secrets = createSecrets(peppers);
  const real = groups.flatMap((group) => Array.from({ length: group.count }, () => group));
  const tokens = groups.map((): string[] => []);
  groups.forEach((group, at) => {
    printed.set(group.workflow, tokens[at] ?? []);
  });
  const total = rows + real.length;
  const startMs = Date.now() - AGE_DAYS * DAY_MS;
  const stepMs = ((AGE_DAYS - 1) * DAY_MS) / total;
  let realGiven = 0;

  for (let from = 0; from < total; from += ROWS_A_PIECE) {
    const count = Math.min(ROWS_A_PIECE, total - from);
    const random = randomBytes(32 * count).toString('hex');
    let piece = '';
    for (let at = 0; at < count; at += 1) {
      const createdAt = new Date(startMs + (from + at) * stepMs);
      const id = newId('tok', createdAt);
      let group = { workflow: CROWD_WORKFLOW, scopes: ['codex:exec'] as readonly string[] };
      let digest = random.slice(64 * at, 64 * at + 64);
      // In step with the share of the rows that are written, so that all are given out by the last.
      const next = real[realGiven];
      if (next !== undefined && (from + at + 1) * real.length >= (realGiven + 1) * total) {
        group = next;
        realGiven += 1;
        const tokenSecret = newTokenSecret();
        digest = secrets.digest(id, tokenSecret).digest.toString('hex');
        tokens[groups.indexOf(next)]?.push(printToken({ id, tokenSecret }));
      }
      piece += rowText({ ...owner, ...group, id, digest, createdAt, kid: secrets.currentKid });
    }
    yield piece;
  }
}

interface SeedRow extends Owner {
  readonly workflow: string;
  readonly scopes: readonly string[];
  readonly id: string;
  readonly digest: string;
  readonly createdAt: Date;
  readonly kid: string;
}

function rowText({ workspaceId, memberId, workflow, scopes, id, digest, createdAt, kid }: SeedRow): string {
  const created = createdAt.toISOString();
  const expires = new Date(createdAt.getTime() + LIFE_DAYS * DAY_MS).toISOString();
  const list = `{${scopes.map((scope) => `"${scope}"`).join(',')}}`;
  return `${[
    ...[workspaceId, id, 'access', workflow, memberId, memberId, 'bench', list, '{}', created, expires],
    ...[String(LIFE_DAYS), id, created, created, `\\\\x${digest}`, kid, MADE_UP_VERIFIER, created],
  ].join('\t')}\n`;
}

/** Loads by COPY. For many rows the indexes are made afterwards and the foreign keys are not checked: every row names the
 *  same, existing member and workflow. */
async function copyRows(sql: Sql, pieces: AsyncIterable<string>, isBulk: boolean, signal: AbortSignal): Promise<void> {
  const indexes = isBulk
    ? await sql<{ name: string; definition: string }[]>`
        select indexname as name, indexdef as definition from pg_indexes
        where tablename = 'tokens' and indexname not in (select conname from pg_constraint)`
    : [];
  for (const { name } of indexes) await sql`drop index ${sql(name)}`;
  if (isBulk) await sql`alter table tokens disable trigger all`;
  const copy = await sql.unsafe(`copy tokens (${COLUMNS}) from stdin`).writable();
  await pipeline(pieces, copy, { signal });
  if (isBulk) await sql`alter table tokens enable trigger all`;
  for (const { definition } of indexes) await sql.unsafe(definition);
}
