import { join } from 'node:path';
import type { Sql } from '../../src/store/connect.js';
import { built } from '../harness/built.js';
import { cpuTimeOf } from '../harness/processes.js';
import { onStage } from '../harness/stage.js';
import { median } from '../harness/statistics.js';
import { runWrk, writeRequests } from '../harness/wrk.js';
import { type Ground, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const CALLERS = 16;

/** Minting, argon2id included, against inserts of one row each from as many connections: what the database alone could do. */
export const mint: Measure = {
  part: 'mint',
  title: 'Minting',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const server = await startNode(inner, ground, { name: 'mint', isPinned: false });
      const file = join(inner.directory, 'mint.requests');
      const headers = {
        'Content-Type': 'application/json',
        Authorization: `Bearer ${tokenOf(ground.tokens, 'admins')}`,
      };
      const body = JSON.stringify({ workflow: 'subjects', scopes: ['codex:exec'], expires_in_days: 30 });
      writeRequests(file, [{ path: '/v1/tokens', headers, body }]);
      const load = { url: server.url, file, connections: CALLERS, seconds: plan.busySeconds, isPinned: false };
      await runWrk({ ...load, seconds: 1, signal: inner.signal });

      const minted: number[] = [];
      const inserted: number[] = [];
      const cpu: number[] = [];
      for (let round = 0; round < Math.min(3, plan.rounds); round += 1) {
        const before = cpuTimeOf(server.pid).server;
        const result = await runWrk({ ...load, signal: inner.signal });
        if (result.refused > 0) throw new Error(`${result.refused} of ${result.requests} were refused`);
        minted.push(result.requests / result.seconds);
        cpu.push(((cpuTimeOf(server.pid).server - before) * 1000) / result.requests);
        inserted.push(await insertRate(ground, plan.busySeconds));
      }
      return [
        { what: 'mints a second (c=16)', value: median(minted), unit: '/s', note: 'argon2id bounds it' },
        { what: 'CPU per mint', value: median(cpu), unit: 'ms' },
        { what: 'inserts of one row a second (c=16)', value: median(inserted), unit: '/s' },
        { what: 'mints / inserts', value: median(minted.map((rate, at) => rate / (inserted[at] ?? NaN))), unit: '×' },
      ];
    }),
};

/** Rows a second into a table like that of the tokens, each its own transaction, as pgbench does it. */
async function insertRate(ground: Ground, seconds: number): Promise<number> {
  const { connect } = await built<typeof import('../../src/store/connect.js')>('store/connect.js');
  const sql = connect(ground.options, { max: CALLERS });
  try {
    await sql`drop table if exists inserted`;
    await sql`create table inserted (like tokens including all)`;
    const [row] = await sql`select * from tokens limit 1`;
    let count = 0;
    const deadline = performance.now() + seconds * 1000;
    const insert = async () => {
      for (; performance.now() < deadline; count += 1) await insertOne(sql, row);
    };
    await Promise.all(Array.from({ length: CALLERS }, insert));
    return count / seconds;
  } finally {
    await sql`drop table if exists inserted`;
    await sql.end({ timeout: 5 });
  }
}

async function insertOne(sql: Sql, row: Record<string, unknown> | undefined): Promise<void> {
  await sql`insert into inserted ${sql({ ...row, id: crypto.randomUUID() })}`;
}
