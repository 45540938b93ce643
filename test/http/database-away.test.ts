import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import { openDatabase } from '../../src/store/database.js';
import { operations } from '../../src/wire/openapi.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { createDatabaseProxy, type DatabaseProxy, type Outage } from '../setup/database-proxy.js';
import { makeHostKey, sendAsHost } from '../setup/dpop.js';
import { type Answered, type Sending, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';
import { startTestSession } from '../setup/session.js';

let database: TestDatabase;
let proxy: DatabaseProxy;
let service: TestService;
beforeEach(async () => {
  database = await createTestDatabase();
  proxy = await createDatabaseProxy(database.options);
  service = await createTestService({ database: { ...database, options: proxy.options } });
});
afterEach(async () => {
  await proxy.restore();
  await service.close();
  await proxy.close();
  await database.drop();
});

const OUTAGES: readonly Outage[] = ['refusing', 'closing', 'hanging'];
const PATIENCE_MS = 30_000;

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}

/** An answer, or an error when it takes longer than a caller would wait. */
async function inTime(answered: Promise<Answered>): Promise<Answered> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS);
  });
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}

/** One request for each operation that asks the database. */
function requests(token: string): { readonly id: string; readonly ask: () => Promise<Answered> }[] {
  const bodies: Record<string, Sending> = {
    introspect: { form: `token=${token}` },
    revoke: { form: `token=${token}`, token: null },
    mintToken: { json: { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 } },
    mintTokens: { json: { tokens: [{ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 }] } },
    rotateToken: { json: {} },
    revokeToken: { json: { reason: 'leaked' } },
    transferToken: { json: { owner_id: 'mem_0000000000000000000000' } },
    revokeTokens: { json: { reason: 'leaked', workflow: 'nightly' } },
    putWorkflow: { json: {} },
    putToolRules: { json: { default: 'deny', rules: [] } },
    dryRunToolRules: { json: { tool: 'Bash', input: {} } },
    createExecCheck: { json: { workflow: 'nightly' }, token },
    finishExecCheck: { json: { exit_code: 0 } },
    inviteMember: { json: { email: 'a@people.example', role: 'member' } },
    patchMember: { json: { name: 'Ada' } },
  };
  const isAsking = (auth: string) => auth !== 'none' && auth !== 'proof';
  const asking = operations.filter(({ id, auth }) => isAsking(auth) || id === 'revoke' || id === 'readyz');
  const asked = asking.map(({ id, method, path }) => {
    const filled = path.replace('{label}', 'nightly').replaceAll(/\{\w+\}/g, 'tok_0000000000000000000000');
    return { id, ask: () => inTime(send(service, method.toUpperCase(), filled, bodies[id] ?? {})) };
  });
  const asHost = async (path: string, sending: Sending) =>
    inTime(sendAsHost(service, await makeHostKey(), 'POST', path, { ...sending, token: null }));
  return [
    ...asked,
    { id: 'enrolRunner', ask: () => asHost('/v1/runner-enrolments', { json: { name: 'build-1' } }) },
    { id: 'redeemEnrolment', ask: () => asHost(`/v1/runner-enrolments/enr_${'0'.repeat(22)}/redeem`, {}) },
  ];
}

describe.each(OUTAGES)('while the database is away (%s)', (outage) => {
  it('every answer is 503, none is a stale yes, and all is well by itself when it is back', async () => {
    await service.makeWorkflow('nightly');
    const [kept, lost] = [await service.seedToken(), await service.seedToken()];
    const introspect = async ({ token }: { token: string }) =>
      inTime(send(service, 'POST', '/oauth2/introspect', { form: `token=${token}` }));
    for (const one of [kept, lost]) expect((await introspect(one)).body['active']).toBe(true);
    const job = await service.client(lost.token).execChecks.check({ workflow: 'nightly' });
    const watch = service.client(lost.token).execChecks.watch(job.check_id);
    await watch.next();

    await proxy.cut(outage);
    const answers = await Promise.all(requests(kept.token).map(async ({ id, ask }) => ({ id, answer: await ask() })));
    for (const { id, answer } of answers) {
      expect([id, answer.status]).toEqual([id, 503]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
      expect(answer.headers.get('x-request-id')).not.toBeNull();
    }
    // What asks nothing goes on; a malformed token costs no query, so that nothing is unknown of it.
    for (const path of ['/healthz', '/metrics', '/openapi.json', '/docs', '/.well-known/jwks.json']) {
      expect((await send(service, 'GET', path)).status).toBe(200);
    }
    expect((await send(service, 'GET', '/v1/me', { token: 'cst_noise' })).status).toBe(401);

    await revokeElsewhere(lost.id);
    await proxy.restore();
    await until(async () => (await inTime(send(service, 'GET', '/readyz'))).status === 200);
    const answerAbout = async (one: { token: string }) => {
      let answer = await introspect(one);
      await until(async () => {
        if (answer.status === 503) answer = await introspect(one);
        return answer.status !== 503;
      });
      return answer;
    };
    expect((await answerAbout(lost)).text).toBe('{"active":false}');
    expect((await answerAbout(kept)).body['active']).toBe(true);
    await until(async () => (await inTime(send(service, 'PUT', '/v1/workflows/after', { json: {} }))).status < 300);
    const check = { token: kept.token, json: { workflow: 'nightly' } };
    await until(
      async () => (await inTime(send(service, 'POST', '/v1/exec/checks', check))).body['decision'] === 'allow',
    );
    const events: string[] = [];
    for await (const event of watch) events.push(event.type);
    expect(events.at(-1)).toBe('revoked');
    await until(async () =>
      (await send(service, 'GET', '/metrics')).text.includes('countersign_notifications_heard 1'),
    );
  }, 240_000);
});

it('a probe alone finds out that the database hangs, and that it is back', async () => {
  const ready = async () => (await inTime(send(service, 'GET', '/readyz', { token: null }))).status;
  expect(await ready()).toBe(200);
  await proxy.cut('hanging');
  expect(await ready()).toBe(503);
  await proxy.restore();
  await until(async () => (await ready()) === 200);
}, 120_000);

it('who asks without a token waits for no database that hangs, whoever else asks', async () => {
  const node = await createTestService({
    database: { ...database, options: proxy.options },
    keys: service.keys,
    markLostEveryMs: 500,
  });
  try {
    const { cookie } = await startTestSession(node);
    const page = () => inTime(send(node, 'GET', '/console', { token: null, headers: { cookie } }));
    // So many at once that every connection of the pool is there.
    for (const { status } of await Promise.all(Array.from({ length: 30 }, page))) expect(status).toBe(200);
    await proxy.cut('hanging');
    const answer = await page();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([503, 'text/html; charset=utf-8']);
    await proxy.restore();
    await until(async () => (await page()).status === 200);
  } finally {
    await node.close();
  }
}, 120_000);

/** Revokes on another way to the same database. */
async function revokeElsewhere(id: string): Promise<void> {
  const direct = openDatabase(database.options);
  try {
    await direct.sql`update tokens set revoked_at = now() where id = ${parsePublicId('tok', id) ?? ''}`;
  } finally {
    await direct.close();
  }
}
