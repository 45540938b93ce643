import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTokenSecret, parsePublicId } from '../../src/rules/format.js';
import type { TransactionSql } from '../../src/store/connect.js';
import type { MintedToken, MintRequest } from '../../src/wire/resources.js';
import { createTestDatabase } from '../setup/database.js';
import { createDatabaseProxy } from '../setup/database-proxy.js';
import { givePasskey, stepUp } from '../setup/passkeys.js';
import { createTestService, type TestService } from '../setup/service.js';
import { fault, type RawAnswer, type RawRequest, raw } from './raw.js';

let service: TestService;
let other: TestService;
beforeAll(async () => {
  service = await createTestService();
  other = await createTestService({ database: service.database, keys: service.keys, at: service.clock.now() });
  for (const label of ['nightly', 'review']) await service.makeWorkflow(label);
});
afterAll(async () => {
  await other.close();
  await service.close();
});

let serial = 0;
const fresh = () => `flow-${++serial}`;
const newKey = () => `batch-${++serial}`;
const one = (more: Partial<MintRequest> = {}): MintRequest => ({
  workflow: 'nightly',
  scopes: ['repo:read'],
  expires_in_days: 30,
  ...more,
});
const many = (count: number, more: Partial<MintRequest> = {}) => Array.from({ length: count }, () => one(more));
const bulk = (tokens: unknown, more: RawRequest = {}, on = service) =>
  raw(on, 'POST', '/v1/tokens/bulk', { token: service.owner.printed, json: { tokens }, ...more });
const keyed = (key: string) => ({ headers: { 'idempotency-key': key } });
const minted = ({ json }: RawAnswer): MintedToken[] => json.tokens;
const isActive = async ({ token }: { token: string }) => (await service.client().introspect(token)).active;
const tokensOf = async (workflow: string) => (await service.client().tokens.list({ workflow, limit: 200 })).data;
const conflict = ({ status, json }: RawAnswer) => [status, json.code];
const REUSED = [409, 'idempotency_key_reused'];

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}

describe('a batch', () => {
  it('of a hundred is minted in its order, each with a secret of its own that works, and an event', async () => {
    const workflow = fresh();
    await service.makeWorkflow(workflow, { allowed_scopes: ['repo:*'], allowed_expiry_days: [1, 30] });
    const asked = Array.from({ length: 100 }, (_, at) =>
      one({ workflow, name: `job ${at}`, expires_in_days: at % 10 === 0 ? 1 : 30 }),
    );
    const answer = await bulk(asked);
    expect(answer.status).toBe(201);
    const tokens = minted(answer);
    expect(tokens.map(({ name }) => name)).toEqual(asked.map(({ name }) => name));
    expect(new Set(tokens.map(({ token }) => token)).size).toBe(100);
    expect(await Promise.all(tokens.map(isActive))).toEqual(tokens.map(() => true));
    // The list, newest first, has them in the same order.
    expect((await tokensOf(workflow)).map(({ id }) => id)).toEqual(tokens.map(({ id }) => id).reverse());
    const { data } = await service.client().auditEvents({ action: 'token.minted', limit: 200 });
    expect(data.slice(-100).map(({ target }) => target)).toEqual(tokens.map(({ id }) => id));
    const rows = await service.db.sql<{ days: number; is_hashed: boolean }[]>`
      select distinct expires_in_days as days, verifier is not null as is_hashed from tokens
      where workflow = ${workflow} order by days`;
    expect(rows).toEqual([
      { days: 1, is_hashed: false },
      { days: 30, is_hashed: true },
    ]);
  });

  it('shows each token as a single mint does', async () => {
    const constraints = { repositories: ['acme/shop'], networks: ['10.0.0.0/8'] };
    const asked = one({ name: 'alike', constraints, not_before: service.clock.now().toISOString() });
    const [inBatch] = minted(await bulk([asked]));
    const { json } = await raw(service, 'POST', '/v1/tokens', { json: asked });
    const { id: _a, lineage_id: _b, token: _c, ...shown } = json;
    expect(inBatch).toMatchObject(shown);
    expect(inBatch?.lineage_id).toBe(inBatch?.id);
  });

  it('may ask for the same again and again', async () => {
    const tokens = minted(await bulk(many(3, { name: 'twin' })));
    expect(new Set(tokens.map(({ id }) => id)).size).toBe(3);
  });

  it.each([
    ['none', { tokens: [] }, 422, ['#/tokens']],
    ['101', { tokens: many(101) }, 422, ['#/tokens']],
    ['no list', { tokens: one() }, 422, ['#/tokens']],
    ['a token alone', one(), 422, ['#/tokens', '#/workflow', '#/scopes', '#/expires_in_days']],
    ['a member that is unknown', { tokens: many(2), dry_run: true }, 422, ['#/dry_run']],
    ['another list in the list', { tokens: [[one()]] }, 422, ['#/tokens/0']],
    ['a member of a token that is unknown', { tokens: [one(), { ...one(), owner: 'me' }] }, 422, ['#/tokens/1/owner']],
    ['a token in a name', { tokens: [one(), one({ name: 'NAME' })] }, 422, ['#/tokens/1/name']],
  ])('of %s is refused', async (_, json, status, at) => {
    const before = (await tokensOf('nightly')).length;
    const text = JSON.stringify(json).replace('NAME', service.owner.printed);
    expect(fault(await bulk(undefined, { json: JSON.parse(text) }))).toEqual({ status, at });
    expect(await tokensOf('nightly')).toHaveLength(before);
  });

  it.each([
    ['a body that is too large', `{"tokens":["${'x'.repeat(524_288)}"]}`, 413],
    ['one that has no end of brackets', `{"tokens":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 422],
    ['the names of prototypes', `{"tokens":[{"__proto__":{"workflow":"nightly"},"constructor":1}]}`, 422],
    ['what is no JSON', '{"tokens":[', 400],
    ['null', 'null', 422],
  ])('refuses %s', async (_, body, status) => {
    const headers = { authorization: `Bearer ${service.owner.printed}`, 'content-type': 'application/json' };
    const url = 'https://countersign.example/v1/tokens/bulk';
    const answer = await service.fetch(url, { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
    expect((await answer.text()).length).toBeLessThan(10_000);
  });

  it('takes more than a single request may hold', async () => {
    const patterns = Array.from({ length: 40 }, (_, at) => `acme/${'x'.repeat(40)}-${at}`);
    const answer = await bulk(many(50, { constraints: { repositories: patterns } }));
    expect([answer.status, minted(answer).length]).toEqual([201, 50]);
  });
});

describe('one refusal refuses all', () => {
  const BAD: readonly [string, Partial<MintRequest>, number, string][] = [
    ['a scope that the workflow does not allow', { scopes: ['repo:read', 'chat:write'] }, 422, '/scopes/1'],
    ['a workflow that is not there', { workflow: 'nowhere' }, 422, '/workflow'],
    ["the service's own workflow", { workflow: 'countersign' }, 422, '/workflow'],
    ['a period that is not offered', { expires_in_days: 5 }, 422, '/expires_in_days'],
    ['a start behind the end', { not_before: '2999-01-01T00:00:00Z' }, 422, '/not_before'],
  ];
  it.each(BAD)('%s, wherever it stands', async (_, change, status, pointer) => {
    const before = (await tokensOf('nightly')).length;
    for (const at of [0, 2, 4]) {
      const tokens = many(5).map((request, place) => (place === at ? one(change) : request));
      expect(fault(await bulk(tokens))).toEqual({ status, at: [`#/tokens/${at}${pointer}`] });
    }
    expect(await tokensOf('nightly')).toHaveLength(before);
  });

  it('and all that is wrong is said at once', async () => {
    const answer = await bulk(BAD.map(([, change]) => one(change)));
    expect(fault(answer).at).toEqual(BAD.map(([, , , pointer], at) => `#/tokens/${at}${pointer}`));
  });

  it('names the token that is more than the caller holds: 403', async () => {
    await service.makeWorkflow('minters', { allowed_scopes: ['repo:*', 'codex:*'] });
    const agent = await service.seedToken({ workflow: 'minters', scopes: ['tokens:mint', 'repo:read'] });
    const answer = await bulk([one(), one({ scopes: ['codex:exec'] })], { token: agent.token });
    expect([answer.status, answer.json.detail]).toEqual([
      403,
      '#/tokens/1: the calling token may not hand on codex:exec',
    ]);
    expect((await bulk([one(), one()], { token: agent.token })).status).toBe(201);
  });

  it('names the token whose workflow is paused: 409', async () => {
    await service.makeWorkflow('resting');
    await service.client().workflows.pause('resting');
    const answer = await bulk([one(), one({ workflow: 'resting' })]);
    expect(conflict(answer)).toEqual([409, 'workflow_not_active']);
    expect(answer.json.detail).toBe('#/tokens/1: the workflow is paused');
  });

  it('of another workspace it is as if its workflow were not there', async () => {
    const foreign = await service.makeWorkspace('elsewhere');
    expect(fault(await bulk([one()], { token: foreign.printed }))).toEqual({
      status: 422,
      at: ['#/tokens/0/workflow'],
    });
  });

  it('by the policy of the workspace too, place by place', async () => {
    const workflow = fresh();
    await service.makeWorkflow(workflow);
    await service.client().policy.put({ longest_expiry_days: 7, allowed_scopes: ['repo:*'] });
    try {
      const tokens = [one({ workflow, expires_in_days: 7 }), one({ workflow, scopes: ['codex:exec'] })];
      const at = ['#/tokens/1/expires_in_days', '#/tokens/1/scopes/0'];
      expect(fault(await bulk(tokens))).toEqual({ status: 422, at });
      expect(await tokensOf(workflow)).toEqual([]);
      const member = await service.makeMember('member');
      await service.client().policy.put({ minters: ['admin'] });
      const refused = await bulk([one(), one()], { token: member.token });
      expect([refused.status, refused.json.detail]).toEqual([403, expect.stringMatching(/^#\/tokens\/0: .*member/)]);
    } finally {
      await service.client().policy.remove();
    }
  });

  it('needs the scope, and a passkey once where a token could do dangerous things', async () => {
    const reader = await service.seedToken({ scopes: ['tokens:read'] });
    expect((await bulk([one()], { token: reader.token })).status).toBe(403);
    expect((await bulk([one()], { token: null })).status).toBe(401);
    const admin = await service.makeMember('owner');
    const authenticator = await givePasskey(service, admin.token);
    const guarded = [one({ scopes: ['tokens:revoke'] }), one(), one({ workflow: 'review', scopes: ['members:write'] })];
    const asked = await bulk(guarded, { token: admin.token });
    expect([asked.status, asked.json.act]).toEqual([
      401,
      'mint 2 tokens with tokens:revoke members:write, of nightly, review',
    ]);
    expect((await bulk([one()], { token: admin.token })).status).toBe(201);
    // However much is asked for beside it, the person is told of what is dangerous.
    const crowd = Array.from({ length: 63 }, (_, at) => `repo:${'x'.repeat(100)}-${at}`);
    const hidden = await bulk([...many(5), one({ scopes: [...crowd, 'workspace:admin'] })], { token: admin.token });
    expect(hidden.json.act).toMatch(/^mint a token with workspace:admin repo:x/);
    await stepUp(service, admin.token, authenticator);
    expect((await bulk(guarded, { token: admin.token })).status).toBe(201);
  });
});

describe('what a workflow has room for', () => {
  it('counts the batch itself, workflow by workflow', async () => {
    const [small, large] = [fresh(), fresh()];
    for (const label of [small, large]) await service.makeWorkflow(label);
    await service.client().tokens.mint(one({ workflow: small }));
    await service.client().policy.put({ max_tokens_per_workflow: 3 });
    try {
      const tokens = [small, large, small, large, large, small, large].map((workflow) => one({ workflow }));
      expect(fault(await bulk(tokens))).toEqual({ status: 422, at: ['#/tokens/5/workflow', '#/tokens/6/workflow'] });
      expect([await tokensOf(small), await tokensOf(large)].map((list) => list.length)).toEqual([1, 0]);
      expect((await bulk(tokens.slice(0, 5))).status).toBe(201);
      expect((await bulk([one({ workflow: small })])).status).toBe(422);
    } finally {
      await service.client().policy.remove();
    }
  });

  it('is not exceeded by batches and single mints at once on two nodes', async () => {
    const [first, second] = [fresh(), fresh()];
    for (const label of [first, second]) await service.makeWorkflow(label);
    await service.client().policy.put({ max_tokens_per_workflow: 5 });
    try {
      // In both orders, so that whoever locked as it is asked would wait in a circle.
      const there = [...many(2, { workflow: first }), ...many(2, { workflow: second })];
      const answers = await Promise.all([
        ...[service, other].flatMap((node) => [bulk(there, {}, node), bulk([...there].reverse(), {}, node)]),
        raw(service, 'POST', '/v1/tokens', { json: one({ workflow: first }) }),
      ]);
      expect(answers.map(({ status }) => status).every((status) => status === 201 || status === 422)).toBe(true);
      const counts = [await tokensOf(first), await tokensOf(second)].map((list) => list.length);
      expect(counts[1]).toBe(4);
      expect([4, 5]).toContain(counts[0]);
    } finally {
      await service.client().policy.remove();
    }
  });
});

describe('an Idempotency-Key of a batch', () => {
  it('survives a lost answer: the same tokens with fresh secrets, and those of before are dead', async () => {
    const key = newKey();
    const tokens = [one(), one({ workflow: 'review' }), one({ expires_in_days: 7 })];
    const lost = minted(await bulk(tokens, keyed(key)));
    const again = minted(await bulk(tokens, keyed(key), other));
    expect(again.map(({ id }) => id)).toEqual(lost.map(({ id }) => id));
    expect(await Promise.all([...lost, ...again].map(isActive))).toEqual([false, false, false, true, true, true]);
    const { data } = await service.client().auditEvents({ target: lost[1]?.id ?? '' });
    expect(data.map(({ action }) => action)).toEqual(['token.minted', 'token.secret_replaced']);
  });

  it('is a conflict that names the token once any was used or ended, and nothing changes', async () => {
    for (const end of [
      ({ token }: MintedToken) => service.client(token).me(),
      ({ id }: MintedToken) => service.client().tokens.revoke(id, { reason: 'unused' }),
      ({ id }: MintedToken) => service.client().tokens.rotate(id),
    ]) {
      const key = newKey();
      const [first, second, third] = minted(await bulk(many(3), keyed(key)));
      if (!first || !second || !third) throw new Error('not three');
      await end(second);
      const again = await bulk(many(3), keyed(key));
      expect(conflict(again)).toEqual(REUSED);
      expect(again.json.detail).toMatch(/^#\/tokens\/1: /);
      expect(await Promise.all([first, third].map(isActive))).toEqual([true, true]);
    }
  });

  it('is for one request: with another order, another length, or for a single mint it is a conflict', async () => {
    const key = newKey();
    const tokens = [one(), one({ workflow: 'review' })];
    const made = minted(await bulk(tokens, keyed(key)));
    for (const changed of [[...tokens].reverse(), tokens.slice(0, 1), [...tokens, one()]]) {
      expect(conflict(await bulk(changed, keyed(key)))).toEqual(REUSED);
    }
    expect(conflict(await raw(service, 'POST', '/v1/tokens', { json: one(), ...keyed(key) }))).toEqual(REUSED);
    expect(await Promise.all(made.map(isActive))).toEqual([true, true]);
    const single = newKey();
    expect((await raw(service, 'POST', '/v1/tokens', { json: one(), ...keyed(single) })).status).toBe(201);
    expect(conflict(await bulk([one()], keyed(single)))).toEqual(REUSED);
    expect(conflict(await bulk(tokens, keyed(single)))).toEqual(REUSED);
  });

  it('that was refused is free still, and after a day it is forgotten', async () => {
    const key = newKey();
    expect((await bulk([one(), one({ expires_in_days: 5 })], keyed(key))).status).toBe(422);
    const first = minted(await bulk(many(3), keyed(key)));
    service.clock.advance(86_401);
    const second = minted(await bulk(many(4), keyed(key)));
    const again = minted(await bulk(many(4), keyed(key)));
    service.clock.advance(-86_401);
    expect(again.map(({ id }) => id)).toEqual(second.map(({ id }) => id));
    expect(second.some(({ id }) => first.map((token) => token.id).includes(id))).toBe(false);
  });

  it('at the same moment on two nodes gives one set of tokens', async () => {
    for (let round = 0; round < 3; round += 1) {
      const [workflow, key] = [fresh(), newKey()];
      await service.makeWorkflow(workflow);
      const tokens = many(4, { workflow });
      const answers = await Promise.all([service, other, service, other].map((node) => bulk(tokens, keyed(key), node)));
      const won = answers.filter(({ status }) => status === 201);
      expect(answers.every(({ status }) => status === 201 || status === 409)).toBe(true);
      expect(won.length).toBeGreaterThan(0);
      expect(await tokensOf(workflow)).toHaveLength(4);
      const alive = await Promise.all(
        won.map(async (answer) => (await Promise.all(minted(answer).map(isActive))).join()),
      );
      expect(alive.sort()).toEqual([...won.slice(1).map(() => 'false,false,false,false'), 'true,true,true,true']);
    }
  });
});

describe('while a batch is hashed', () => {
  /** What a batch is answered that was judged before something was changed, and is inserted after it. */
  async function changedMeanwhile(
    tokens: readonly MintRequest[],
    change: (tx: TransactionSql) => Promise<unknown>,
    token?: string,
  ) {
    const caller = token ?? service.owner.printed;
    const { id } = await service.client(caller).tokens.show('self');
    const uuid = uuidOf(id);
    const { asked } = await service.db.sql.begin(async (tx) => {
      await tx`select 1 from tokens where id = ${uuid} for update`;
      const answer = bulk(tokens, { token: caller });
      await until(async () => {
        const rows = await service.db.sql`
          select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
        return rows.length > 0;
      });
      await change(tx);
      return { asked: answer };
    });
    return await asked;
  }

  function uuidOf(id: string) {
    const uuid = parsePublicId('tok', id);
    if (uuid === undefined) throw new Error('not an id');
    return uuid;
  }

  it.each<[string, string, [number, string]]>([
    ['is paused', 'paused_at = now()', [409, '#/tokens/1: the workflow is paused']],
    ['allows less', "allowed_scopes = '{codex:*}'", [422, '#/tokens/1/scopes/0']],
    ['offers another period', "allowed_expiry_days = '{7}'", [422, '#/tokens/1/expires_in_days']],
  ])('a workflow that %s meanwhile refuses all', async (_, change, [status, said]) => {
    const workflow = fresh();
    await service.makeWorkflow(workflow);
    const before = (await tokensOf('nightly')).length;
    const answer = await changedMeanwhile(
      [one(), one({ workflow })],
      () => service.db.sql`update workflows set ${service.db.sql.unsafe(change)} where label = ${workflow}`,
    );
    expect([answer.status, answer.json.errors?.[0].pointer ?? answer.json.detail]).toEqual([status, said]);
    expect(await tokensOf(workflow)).toEqual([]);
    expect(await tokensOf('nightly')).toHaveLength(before);
  });

  it('a workflow that is bound to less meanwhile binds the tokens to less', async () => {
    const workflow = fresh();
    await service.makeWorkflow(workflow);
    const bound = { repositories: ['acme/shop'] };
    const answer = await changedMeanwhile(
      [one({ workflow })],
      () =>
        service.db
          .sql`update workflows set constraints = ${JSON.stringify(bound)}::text::jsonb where label = ${workflow}`,
    );
    expect(minted(answer)[0]?.constraints).toEqual(bound);
  });

  it('a calling token that is revoked meanwhile leaves none behind', async () => {
    const workflow = fresh();
    await service.makeWorkflow(workflow);
    const caller = await service.seedToken({ workflow, scopes: ['tokens:mint', 'tokens:read'] });
    const revoke = (tx: TransactionSql) =>
      tx`update tokens set revoked_at = now(), revoked_reason = 'other' where id = ${uuidOf(caller.id)}`;
    const answer = await changedMeanwhile(many(3, { workflow }), revoke, caller.token);
    expect(answer.status).toBe(401);
    expect(await tokensOf(workflow)).toHaveLength(1);
  });

  it('a caller that goes away ends it, and nothing is left', async () => {
    const [workflow, key] = [fresh(), newKey()];
    await service.makeWorkflow(workflow);
    const gone = new AbortController();
    const asked = bulk(many(100, { workflow }), { signal: gone.signal, ...keyed(key) });
    await until(() => service.secrets.queueLength() > 0);
    gone.abort();
    await asked.catch(() => undefined);
    await until(() => service.secrets.queueLength() === 0);
    expect(await tokensOf(workflow)).toEqual([]);
    expect((await bulk([one({ workflow })], keyed(key))).status).toBe(201);
  });

  it('as many others as may be are: 503 with Retry-After, which leaves nothing', async () => {
    const workflow = fresh();
    await service.makeWorkflow(workflow);
    const done = new AbortController();
    const others = Array.from({ length: 8 }, () =>
      service.secrets.hashAll(Array.from({ length: 5_000 }, newTokenSecret), done.signal),
    );
    const busy = await bulk(many(2, { workflow }));
    done.abort();
    await Promise.allSettled(others);
    expect([busy.status, Number(busy.headers.get('retry-after')) >= 1]).toEqual([503, true]);
    expect(await tokensOf(workflow)).toEqual([]);
    expect((await bulk(many(2, { workflow }))).status).toBe(201);
  });
});

it('a database that is cut in the middle leaves nothing, and the same request again mints once', async () => {
  const database = await createTestDatabase();
  const proxy = await createDatabaseProxy(database.options);
  const node = await createTestService({ database: { ...database, options: proxy.options } });
  try {
    await node.makeWorkflow('nightly');
    const ask = () => raw(node, 'POST', '/v1/tokens/bulk', { json: { tokens: many(40) }, ...keyed('once') });
    const asked = ask();
    await until(() => node.secrets.queueLength() > 0);
    await proxy.cut('closing');
    expect((await asked).status).toBe(503);
    await proxy.restore();
    let answer = await ask();
    await until(async () => {
      if (answer.status === 503) answer = await ask();
      return answer.status !== 503;
    });
    expect(answer.status).toBe(201);
    const { data } = await node.client().tokens.list({ workflow: 'nightly', limit: 200 });
    expect(data.map(({ id }) => id)).toEqual(
      minted(answer)
        .map(({ id }) => id)
        .reverse(),
    );
  } finally {
    await proxy.restore();
    await node.close();
    await proxy.close();
    await database.drop();
  }
}, 60_000);
