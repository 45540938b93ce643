import { join } from 'node:path';
import { connectTo, expectStatus, forEachOf, jsonHeaders } from '../harness/client.js';
import { missingForPgbench, pgbenchRate } from '../harness/pgbench.js';
import { cpuTimeOf } from '../harness/processes.js';
import type { ServerProcess } from '../harness/server-process.js';
import { onStage, type Stage } from '../harness/stage.js';
import { median } from '../harness/statistics.js';
import { runWrk, writeRequests } from '../harness/wrk.js';
import { type Ground, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const CALLERS = 16;
const BATCH = 100;
const BATCHES = 4;
const BATCHES_AT_ONCE = 2;
const TOKEN = { workflow: 'subjects', scopes: ['codex:exec'], expires_in_days: 30 };

/** Tokens a second, and milliseconds of the server's CPU for each. */
interface Rate {
  readonly rate: number;
  readonly cpu: number;
}

/** Minting, argon2id included, one at a time and a hundred at once, against inserts of one row each from as many connections:
 *  what the database alone could do. */
export const mint: Measure = {
  part: 'mint',
  title: 'Minting',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const server = await startNode(inner, ground, { name: 'mint', isPinned: false });
      const file = join(inner.directory, 'mint.requests');
      const headers = jsonHeaders(tokenOf(ground.tokens, 'admins'));
      writeRequests(file, [{ path: '/v1/tokens', headers, body: JSON.stringify(TOKEN) }]);
      const load = { url: server.url, file, connections: CALLERS, isPinned: false, signal: inner.signal };
      await runWrk({ ...load, seconds: 1 });

      const missing = missingForPgbench();
      const single: Rate[] = [];
      const bulk: Rate[] = [];
      const inserted: number[] = [];
      for (let round = 0; round < Math.min(3, plan.rounds); round += 1) {
        single.push(
          await rateOf(server, async () => {
            const { requests, refused, seconds } = await runWrk({ ...load, seconds: plan.busySeconds });
            if (refused > 0) throw new Error(`${refused} of ${requests} were refused`);
            return { count: requests, seconds };
          }),
        );
        bulk.push(await rateOf(server, () => mintBatches(server, headers)));
        if (missing === undefined) inserted.push(await insertRate(inner, ground, plan.busySeconds));
      }
      const overSingle = (over: readonly number[]) => median(over.map((rate, at) => rate / (single[at]?.rate ?? NaN)));
      const database = [
        { what: 'inserts of one row a second (pgbench, c=16)', value: median(inserted), unit: '/s' },
        { what: 'inserts / mints', value: overSingle(inserted), unit: '×' },
      ] as const;
      return [
        {
          what: 'mints a second (c=16)',
          value: median(rates(single)),
          unit: '/s',
          note: missing ?? 'argon2id bounds it',
        },
        { what: 'CPU per mint', value: median(single.map(({ cpu }) => cpu)), unit: 'ms' },
        { what: 'tokens a second, 100 at once (c=2)', value: median(rates(bulk)), unit: '/s' },
        { what: 'CPU per token, 100 at once', value: median(bulk.map(({ cpu }) => cpu)), unit: 'ms' },
        { what: '100 at once / one at a time', value: overSingle(rates(bulk)), unit: '×' },
        ...(missing === undefined ? database : []),
      ];
    }),
};

function rates(measured: readonly Rate[]): number[] {
  return measured.map(({ rate }) => rate);
}

async function rateOf(
  server: ServerProcess,
  act: () => Promise<{ readonly count: number; readonly seconds: number }>,
): Promise<Rate> {
  const before = cpuTimeOf(server.pid).server;
  const { count, seconds } = await act();
  return { rate: count / seconds, cpu: ((cpuTimeOf(server.pid).server - before) * 1000) / count };
}

async function mintBatches(server: ServerProcess, headers: Readonly<Record<string, string>>) {
  const body = JSON.stringify({ tokens: Array.from({ length: BATCH }, () => TOKEN) });
  const startedMs = performance.now();
  await forEachOf(Array.from({ length: BATCHES }), BATCHES_AT_ONCE, async () => {
    const connection = connectTo(server.url);
    try {
      expectStatus(await connection.post('/v1/tokens/bulk', headers, body), 201);
    } finally {
      connection.close();
    }
  });
  return { count: BATCH * BATCHES, seconds: (performance.now() - startedMs) / 1000 };
}

/** Rows a second into a table like that of the tokens, each its own transaction. */
async function insertRate(stage: Stage, ground: Ground, seconds: number): Promise<number> {
  const columns = await ground.admin(async (sql) => {
    await sql`drop table if exists inserted, sample`;
    await sql`create table inserted (like tokens including all)`;
    await sql`create table sample as select * from tokens limit 1`;
    const rows = await sql<{ name: string }[]>`
      select quote_ident(attname) as name from pg_attribute
      where attrelid = 'sample'::regclass and attnum > 0 and attname <> 'id'`;
    return rows.map(({ name }) => name).join(', ');
  });
  try {
    return await pgbenchRate({
      socketDirectory: ground.socketDirectory,
      file: join(stage.directory, 'insert.sql'),
      statement: `insert into inserted (id, ${columns}) select gen_random_uuid(), ${columns} from sample`,
      connections: CALLERS,
      seconds,
      signal: stage.signal,
    });
  } finally {
    await ground.admin((sql) => sql`drop table if exists inserted, sample`);
  }
}
