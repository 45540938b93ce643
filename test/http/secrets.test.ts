import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Keys } from '../../src/keys.js';
import { printToken } from '../../src/rules/format.js';
import { createSecrets } from '../../src/store/secret.js';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';
import { halvesOf, raw } from './raw.js';

const MINT = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 };

/** Every row of every table, as text. */
async function dump(service: TestService): Promise<string> {
  const tables = await service.db.sql<{ name: string }[]>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`;
  const texts: string[] = [];
  for (const { name } of tables) {
    const rows = await service.db.sql.unsafe(`select row_to_json(t)::text as row from ${name} t`);
    texts.push(...rows.map((row) => String(row['row'])));
  }
  return texts.join('\n');
}

/** The forms in which a secret could lie about: as it is, and as bytes are shown. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  return [text, bytes.toString('hex'), bytes.toString('base64'), encodeURIComponent(text)];
}

describe('neither the database nor the log holds a token, a secret or a pepper', () => {
  let service: TestService;
  let keys: Keys;
  beforeAll(async () => {
    keys = await makeKeys();
    service = await createTestService({ keys, trustedProxies: ['192.0.2.0/24'] });
    await service.makeWorkflow('nightly');
  });
  afterAll(() => service.close());

  async function expectNoTrace(printed: readonly string[]): Promise<void> {
    const places = [await dump(service), service.log.join('\n')];
    for (const token of printed) {
      const { tokenSecret } = halvesOf(token);
      for (const form of [...formsOf(token), ...formsOf(tokenSecret), token.slice(27)]) {
        for (const place of places) expect(place.includes(form)).toBe(false);
      }
    }
    for (const { key } of keys.peppers) {
      for (const form of [key.toString('hex'), key.toString('base64'), key.toString('base64url')]) {
        for (const place of places) expect(place.includes(form)).toBe(false);
      }
    }
  }

  it('after a whole life: invited, accepted, minted, retried, rotated, used, checked, reused, revoked', async () => {
    const { invitation } = await service.client().members.invite({ email: 'ada@acme.example', role: 'admin' });
    const { token } = await service.client(null).members.accept(invitation);
    const client = service.client(token);
    const lost = await client.tokens.mint(MINT, 'key');
    const first = await client.tokens.mint(MINT, 'key');
    const dropped = await client.tokens.rotate(first.id);
    const next = await client.tokens.rotate(first.id, {});
    await client.introspect(next.token);
    await client.introspect(lost.token);
    await service.client(next.token).execChecks.check({ workflow: 'nightly' });
    await client.execChecks.check({ token: next.token, workflow: 'nightly', scopes: ['repo:read'] });
    service.clock.advance(3600);
    await client.introspect(first.token);
    await raw(service, 'GET', '/v1/me', { token: first.token });
    await client.tokens.explain(first.id);
    await service.client(null).revoke(next.token);
    await client.auditEvents();
    const basic = Buffer.from(`${first.id}:${token}`).toString('base64');
    await raw(service, 'POST', '/oauth2/introspect', {
      headers: { authorization: `Basic ${basic}` },
      form: { token: next.token },
    });
    expect(service.log.length).toBeGreaterThan(10);
    const printed = [invitation, token, lost.token, first.token, dropped.token, next.token, service.owner.printed];
    await expectNoTrace(printed);
  });

  it('however a token is misplaced in a request', async () => {
    const { id, token } = await service.seedToken();
    const twice = `${token}${token}`;
    const within = `x${token}y`;
    const headers = {
      'user-agent': `agent ${token} ${within}`,
      'x-request-id': token,
      'x-forwarded-for': `${token}, 203.0.113.9`,
      forwarded: `for=${token}`,
      referer: `https://x.example/?t=${token}`,
      cookie: `t=${token}`,
      accept: token,
      'accept-language': token,
    };
    const calls: [string, string, object?][] = [
      ['GET', `/v1/tokens/${token}`],
      ['GET', `/v1/tokens?cursor=${token}`],
      ['GET', `/v1/tokens?${token}=1`],
      ['GET', `/v1/tokens/${id}?token=${token}`],
      ['GET', `/v1/workflows/${token}`],
      ['PUT', `/v1/workflows/${token}`, { allowed_scopes: [] }],
      ['PUT', '/v1/workflows/strange', { description: `for ${within}` }],
      ['PUT', '/v1/workflows/strange', { allowed_scopes: [`repo:${token}`] }],
      ['PUT', '/v1/workflows/strange', { constraints: { repositories: [`acme/${token}`] } }],
      ['GET', `/${token}`],
      ['POST', `/oauth2/${token}`],
      ['GET', `/v1/audit-events?target=${token}&action=${token}`],
      ['POST', '/v1/tokens', { ...MINT, name: token }],
      ['POST', '/v1/tokens', { ...MINT, name: twice }],
      ['POST', '/v1/tokens', { ...MINT, scopes: [`repo:${token}`] }],
      ['POST', '/v1/tokens', { ...MINT, constraints: { refs: [`refs/heads/${token}`] } }],
      ['POST', '/v1/tokens', { ...MINT, [token]: true }],
      ['POST', `/v1/tokens/${id}/revoke`, { reason: 'leaked', note: `found ${within}` }],
      ['POST', `/v1/tokens/${id}/transfer`, { owner_id: token }],
      ['POST', '/v1/revocations', { reason: 'other', workflow: token }],
      ['POST', '/v1/members', { email: `${token}@acme.example`, role: 'member' }],
      ['POST', '/v1/members', { email: 'x@acme.example', name: token, role: 'member' }],
      ['POST', '/v1/exec/checks', { workflow: 'nightly', context: { command: `run --token=${within}`, job: twice } }],
      [
        'POST',
        '/v1/exec/checks',
        { workflow: 'nightly', context: { repository: token, ref: token, environment: token } },
      ],
      ['POST', '/v1/exec/checks', { workflow: 'nightly', scopes: [`repo:${token}`] }],
      ['POST', '/v1/exec/checks', { workflow: token }],
      ['POST', '/v1/exec/checks', { token: within, workflow: 'nightly' }],
    ];
    for (const [method, path, json] of calls) await raw(service, method, path, { headers, ...(json ? { json } : {}) });
    await raw(service, 'POST', '/v1/tokens', { json: MINT, headers: { ...headers, 'idempotency-key': token } });
    await raw(service, 'POST', '/v1/tokens', { json: MINT, headers: { 'idempotency-key': within } });
    await raw(service, 'POST', '/oauth2/introspect', { form: `${token}=${token}`, headers });
    await raw(service, 'POST', '/oauth2/introspect', { form: { token, token_type_hint: token }, headers });
    await raw(service, 'POST', '/oauth2/revoke', { form: { token: within }, headers });
    await service.client().tokens.mint({ ...MINT, name: 'still running' });
    await expectNoTrace([token]);
  });

  it('a refusal does not say a misplaced token back', async () => {
    const { token } = await service.seedToken();
    for (const [method, path, json] of [
      ['GET', `/v1/tokens/${token}`, undefined],
      ['GET', `/${token}`, undefined],
      ['POST', '/v1/tokens', { ...MINT, name: token }],
      ['POST', '/v1/tokens', { ...MINT, [token]: true }],
      ['GET', `/v1/tokens?${token}=1`, undefined],
    ] as const) {
      const answer = await raw(service, method, path, json ? { json } : {});
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect([path.length, answer.text.includes(token.slice(27))]).toEqual([path.length, false]);
    }
  });

  it('a member that holds a token is named, and nothing is made', async () => {
    const { token } = await service.seedToken();
    const answer = await raw(service, 'POST', '/v1/tokens', { json: { ...MINT, name: `my ${token}` } });
    expect(answer.status).toBe(422);
    expect(answer.json.errors).toEqual([{ pointer: '#/name', detail: 'must not hold a token' }]);
  });
});

describe('the pepper', () => {
  const open: TestService[] = [];
  const start = async (options: Parameters<typeof createTestService>[0]) => {
    const service = await createTestService(options);
    open.push(service);
    return service;
  };
  // The one that owns the database was opened first.
  afterEach(async () => {
    for (const service of open.splice(0).reverse()) await service.close();
  });
  const kidOf = async (service: TestService, id: string) => {
    const [row] = await service.db.sql`select pepper_kid from tokens where id = ${id}`;
    return row?.['pepper_kid'];
  };

  it('may be lost: argon2id verifies the secret, and the digest is made anew under the new one', async () => {
    const before = await start({ keys: await makeKeys() });
    const { token } = await before.seedToken();
    const keys = await makeKeys();
    const after = await start({ keys, database: before.database });
    expect(await after.client(before.owner.printed).introspect(token)).toMatchObject({ active: true });
    const kid = keys.peppers[0].kid;
    expect(await kidOf(before, halvesOf(token).id)).toBe(kid);
    expect(await kidOf(before, halvesOf(before.owner.printed).id)).toBe(kid);
  });

  it('may be lost: a wrong secret stays wrong, and changes nothing', async () => {
    const before = await start({ keys: await makeKeys() });
    const [{ token }, other] = [await before.seedToken(), await before.seedToken()];
    const after = await start({ keys: await makeKeys(), database: before.database });
    const forged = printToken({ id: halvesOf(token).id, tokenSecret: halvesOf(other.token).tokenSecret });
    expect(await after.client(before.owner.printed).introspect(forged)).toEqual({ active: false });
    expect((await raw(after, 'GET', '/v1/me', { token: forged })).status).toBe(401);
    await after.client(null).revoke(forged);
    expect(await before.client().introspect(token)).toMatchObject({ active: true });
  });

  it('that is old is still read, and gives way to the current one', async () => {
    const old = await makeKeys();
    const before = await start({ keys: old });
    const { token } = await before.seedToken();
    const fresh = await makeKeys();
    const peppers = [fresh.peppers[0], old.peppers[0]] as const;
    const after = await start({ keys: { ...fresh, peppers }, database: before.database });
    expect(await after.client(before.owner.printed).introspect(token)).toMatchObject({ active: true });
    expect(await kidOf(before, halvesOf(token).id)).toBe(fresh.peppers[0].kid);
  });

  it('of two nodes may differ: the token is good on both, in turn and at the same moment', async () => {
    const one = await start({ keys: await makeKeys() });
    const two = await start({ keys: await makeKeys(), database: one.database });
    for (let round = 0; round < 6; round += 1) {
      const { token } = await one.seedToken();
      const ask = (node: TestService) => raw(node, 'GET', '/v1/tokens/self', { token });
      const answers = await Promise.all([one, two, one, two, two, one].map(ask));
      expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 200]);
      for (const node of [one, two, one]) expect((await ask(node)).status).toBe(200);
    }
  });

  it('of two nodes may differ: a replaced secret is dead on both', async () => {
    const one = await start({ keys: await makeKeys() });
    const two = await start({ keys: await makeKeys(), database: one.database });
    const { id } = await one.seedToken();
    const lost = await one.client().tokens.rotate(id);
    const next = await two.client(one.owner.printed).tokens.rotate(id);
    expect(next.id).toBe(lost.id);
    for (const node of [one, two, one]) {
      expect(await node.client(one.owner.printed).introspect(lost.token)).toEqual({ active: false });
      expect(await node.client(one.owner.printed).introspect(next.token)).toMatchObject({ active: true });
    }
  });

  it('of a row that is known lets no wrong secret cost an argon2id', async () => {
    const keys = await makeKeys();
    const service = await start({ keys });
    const [{ token }, other] = [await service.seedToken(), await service.seedToken()];
    const forged = printToken({ id: halvesOf(token).id, tokenSecret: halvesOf(other.token).tokenSecret });
    // Without an argon2id string to compare with, a comparison could only fail.
    await service.db.sql`update tokens set verifier = 'not argon2id' where id = ${halvesOf(token).id}`;
    expect(await service.client().introspect(forged)).toEqual({ active: false });
    expect((await raw(service, 'GET', '/v1/me', { token: forged })).status).toBe(401);
    expect(await service.client().introspect(token)).toMatchObject({ active: true });
    expect(service.log.filter((line) => line.includes('unexpected error'))).toEqual([]);
  });

  it('that is gone ends a token that has no argon2id string', async () => {
    const before = await start({ keys: await makeKeys() });
    const { token } = await before.seedToken();
    await before.db.sql`update tokens set verifier = null where id = ${halvesOf(token).id}`;
    const after = await start({ keys: await makeKeys(), database: before.database });
    expect(await after.client(before.owner.printed).introspect(token)).toEqual({ active: false });
    expect(await before.client(before.owner.printed).introspect(token)).toMatchObject({ active: true });
  });
});

describe('the digest', () => {
  it('binds the secret to the id: moved to another row it opens nothing', async () => {
    const service = await createTestService();
    try {
      const [one, other] = [await service.seedToken(), await service.seedToken()];
      const [from, to] = [halvesOf(one.token), halvesOf(other.token)];
      await service.db.sql`update tokens set digest = (select digest from tokens where id = ${from.id})
        where id = ${to.id}`;
      const moved = printToken({ id: to.id, tokenSecret: from.tokenSecret });
      expect(await service.client().introspect(moved)).toEqual({ active: false });
    } finally {
      await service.close();
    }
  });

  it('says which of three things is so', async () => {
    const [{ peppers }, other] = [await makeKeys(), await makeKeys()];
    const secrets = createSecrets(peppers);
    const service = await createTestService();
    const [one, two] = [halvesOf((await service.seedToken()).token), halvesOf(service.owner.printed)];
    await service.close();
    const stored = secrets.digest(one.id, one.tokenSecret);
    expect(secrets.compare(one.id, one.tokenSecret, stored)).toBe('match');
    expect(secrets.compare(one.id, two.tokenSecret, stored)).toBe('mismatch');
    expect(secrets.compare(two.id, one.tokenSecret, stored)).toBe('mismatch');
    expect(createSecrets(other.peppers).compare(one.id, one.tokenSecret, stored)).toBe('unknown_pepper');
  });
});
