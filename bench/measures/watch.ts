import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connectTo, expectStatus, forEachOf, jsonHeaders, send, type TimedAnswer } from '../harness/client.js';
import { residentBytesOf } from '../harness/processes.js';
import { onStage, type Stage } from '../harness/stage.js';
import { quantile } from '../harness/statistics.js';
import { seedGround, startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const WORKFLOW = 'watched';
const AT_ONCE = 32;
const HEAR_MS = 30_000;

/** Many jobs that are watched by one node, all ended by one revocation. */
export const watch: Measure = {
  part: 'watch',
  title: 'Watches that hear of one revocation',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const group = { workflow: WORKFLOW, scopes: ['codex:exec'], count: plan.watches };
      const seeded = await seedGround(inner, ground.dataDir, ground.options, [group], 0);
      const server = await startNode(inner, ground, { name: 'watch', isPinned: false });
      const before = residentBytesOf(server.pid);
      const heard: Promise<number>[] = [];
      await forEachOf(seeded.get(WORKFLOW) ?? [], AT_ONCE, async (token) => {
        heard.push((await openWatch(inner, server.url, token)).heard);
      });
      const bytes = (residentBytesOf(server.pid) - before) / plan.watches;
      const answer = await revokeAll(server.url, tokenOf(ground.tokens, 'admins'));
      const delays = (await inTime(Promise.all(heard))).map((ms) => ms - answer.answeredMs);
      return [
        { what: 'open watches, all of which heard', value: delays.length, unit: '' },
        { what: 'memory for each', value: bytes / 1024, unit: 'KiB' },
        { what: 'heard, from the answer to the revocation: p50', value: quantile(delays, 0.5), unit: 'ms' },
        { what: 'heard, from the answer to the revocation: p99', value: quantile(delays, 0.99), unit: 'ms' },
        { what: 'the last one heard', value: quantile(delays, 1), unit: 'ms' },
      ];
    }),
};

/** Checks the job of a token and watches it. `heard` resolves when the watch hears of the end. */
async function openWatch(stage: Stage, url: string, token: string): Promise<{ readonly heard: Promise<number> }> {
  const connection = connectTo(url);
  const check = await connection.post('/v1/exec/checks', jsonHeaders(token), JSON.stringify({ workflow: WORKFLOW }));
  connection.close();
  const id = /"check_id":"([^"]+)"/.exec(expectStatus(check, 200))?.[1] ?? '';
  const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
  const stream = await send(url, `/v1/exec/checks/${id}/watch`, { method: 'GET', headers }, '');
  stage.atEnd(() => stream.destroy());
  await untilSaid(stream, ': watching');
  return { heard: untilSaid(stream, 'event: revoked') };
}

async function untilSaid(stream: IncomingMessage, wanted: string): Promise<number> {
  for (let said = ''; ; ) {
    const [piece] = await once(stream, 'data');
    said += String(piece);
    if (said.includes(wanted)) return performance.now();
  }
}

async function revokeAll(url: string, admin: string): Promise<TimedAnswer> {
  const connection = connectTo(url);
  const body = JSON.stringify({ workflow: WORKFLOW, reason: 'leaked' });
  const answer = await connection.post('/v1/revocations', jsonHeaders(admin), body);
  connection.close();
  expectStatus(answer, 200);
  return answer;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not all heard within ${HEAR_MS / 1000} s`)), HEAR_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
