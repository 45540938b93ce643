import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';
import { raw } from './raw.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

const BODY = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 };
let keys = 0;
const newKey = () => {
  keys += 1;
  return `key-${keys}`;
};
const mint = (key: string, body: object = BODY, more: { token?: string; signal?: AbortSignal } = {}) =>
  raw(service, 'POST', '/v1/tokens', { json: body, headers: { 'idempotency-key': key }, ...more });
const isActive = async (token: string) => (await service.client().introspect(token)).active;
const conflict = async (answer: ReturnType<typeof mint>) => {
  const { status, json } = await answer;
  return { status, code: json.code };
};
const REUSED = { status: 409, code: 'idempotency_key_reused' };

describe('a retried mint', () => {
  it('gives the same token with a fresh secret, and the first one stops working', async () => {
    const key = newKey();
    const first = await mint(key);
    service.clock.advance(60);
    const again = await mint(key);
    expect([first.status, again.status]).toEqual([201, 201]);
    const { token: lost, ...resource } = first.json;
    const { token, ...same } = again.json;
    expect(same).toEqual(resource);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
    expect(token).not.toBe(lost);
    expect([await isActive(lost), await isActive(token)]).toEqual([false, true]);
    expect((await raw(service, 'GET', '/v1/me', { token: lost })).status).toBe(401);
  });

  it('makes one token and says so once in the audit trail', async () => {
    const key = newKey();
    const { json } = await mint(key);
    await mint(key);
    await mint(key);
    const { data } = await service.client().auditEvents({ target: json.id });
    expect(data.map((event) => event.action)).toEqual([
      'token.minted',
      'token.secret_replaced',
      'token.secret_replaced',
    ]);
  });

  it('is a conflict once the token was used, and the secret that is out stays good', async () => {
    const key = newKey();
    const { json } = await mint(key);
    await service.client(json.token).me();
    expect(await conflict(mint(key))).toEqual(REUSED);
    expect(await isActive(json.token)).toBe(true);
  });

  it('is a conflict once the token was rotated or revoked', async () => {
    const [rotated, revoked] = [newKey(), newKey()];
    const one = await mint(rotated);
    await service.client().tokens.rotate(one.json.id);
    const other = await mint(revoked);
    await service.client().tokens.revoke(other.json.id, { reason: 'other' });
    expect(await conflict(mint(rotated))).toEqual(REUSED);
    expect(await conflict(mint(revoked))).toEqual(REUSED);
    expect((await service.client().tokens.show(other.json.id)).status).toBe('revoked');
  });

  it('is a conflict with another body, and nothing changes', async () => {
    const key = newKey();
    const { json } = await mint(key);
    for (const change of [{ name: 'other' }, { expires_in_days: 7 }, { scopes: ['repo:write'] }]) {
      expect(await conflict(mint(key, { ...BODY, ...change }))).toEqual(REUSED);
    }
    expect(await isActive(json.token)).toBe(true);
  });

  it('is the same request in another order of members and with other white space', async () => {
    const key = newKey();
    const { json } = await mint(key);
    const { expires_in_days, scopes, workflow } = BODY;
    expect((await mint(key, { scopes, expires_in_days, workflow })).json.id).toBe(json.id);
  });

  it('is another request with another key, another member or no key', async () => {
    const key = newKey();
    const member = await service.makeMember('member');
    const answers = await Promise.all([
      mint(key),
      mint(newKey()),
      mint(key, BODY, { token: member.token }),
      raw(service, 'POST', '/v1/tokens', { json: BODY }),
    ]);
    expect(new Set(answers.map((answer) => answer.json.id)).size).toBe(4);
  });

  it('needs the rights of a mint still', async () => {
    const key = newKey();
    const { json } = await mint(key);
    const weak = await service.seedToken({ scopes: ['tokens:read'] });
    expect((await mint(key, BODY, { token: weak.token })).status).toBe(403);
    await service.makeWorkflow('nightly', { allowed_scopes: ['codex:*', 'tokens:*'] });
    expect((await mint(key)).status).toBe(422);
    await service.makeWorkflow('nightly');
    expect(await isActive(json.token)).toBe(true);
  });

  it('shows no secret of a token that reaches further than one minted today would', async () => {
    await service.makeWorkflow('narrowed', { allowed_scopes: ['repo:*'] });
    const key = newKey();
    const body = { ...BODY, workflow: 'narrowed' };
    expect((await mint(key, body)).status).toBe(201);
    const constraints = { repositories: ['acme/shop'] };
    await service.makeWorkflow('narrowed', { allowed_scopes: ['repo:*'], constraints });
    expect(await conflict(mint(key, body))).toEqual(REUSED);
    await service.makeWorkflow('narrowed', { allowed_scopes: ['repo:*'] });
    expect((await mint(key, body)).status).toBe(201);
  });

  it('is forgotten after a day', async () => {
    const key = newKey();
    const { json } = await mint(key);
    service.clock.advance(86_399);
    expect((await mint(key)).json.id).toBe(json.id);
    service.clock.advance(2);
    expect((await mint(key)).json.id).not.toBe(json.id);
    service.clock.advance(-86_401);
  });

  it.each([
    ['an empty key', ''],
    ['one that is too long', 'k'.repeat(256)],
    ['one with a tab', 'a\tb'],
    ['one beyond ASCII', 'clé'],
  ])('refuses %s: 400', async (_, key) => {
    expect((await mint(key)).status).toBe(400);
  });

  it('takes a key of 255 characters', async () => {
    expect((await mint(`~${' '.repeat(253)}~`)).status).toBe(201);
  });

  it('of a caller that went away before the commit leaves nothing', async () => {
    const key = newKey();
    const gone = new AbortController();
    const request = mint(key, { ...BODY, name: 'never' }, { signal: gone.signal });
    gone.abort();
    await request;
    const { data } = await service.client().tokens.list({ limit: 200 });
    expect(data.filter((token) => token.name === 'never')).toEqual([]);
    // The key is free still, for another body too.
    expect((await mint(key)).status).toBe(201);
  });

  it('of a caller that went away does not kill the secret that was answered before', async () => {
    const key = newKey();
    const { json } = await mint(key);
    const gone = new AbortController();
    const request = mint(key, BODY, { signal: gone.signal });
    gone.abort();
    await request;
    expect(await isActive(json.token)).toBe(true);
  });
});

describe('the same key at the same moment, on two nodes', () => {
  it('makes one token; who got an answer last, or alone, has a secret that works', async () => {
    const shared = await makeKeys();
    const one = await createTestService({ keys: shared });
    const two = await createTestService({ keys: shared, database: one.database });
    try {
      await one.makeWorkflow('nightly');
      for (let round = 0; round < 8; round += 1) {
        const answers = await Promise.all(
          [one, two, one, two].map((node) =>
            raw(node, 'POST', '/v1/tokens', {
              token: one.owner.printed,
              json: BODY,
              headers: { 'idempotency-key': `race-${round}` },
            }),
          ),
        );
        const won = answers.filter((answer) => answer.status === 201);
        expect(answers.every((answer) => answer.status === 201 || answer.status === 409)).toBe(true);
        expect(new Set(won.map((answer) => answer.json.id)).size).toBe(1);
        const active = await Promise.all(won.map((answer) => one.client().introspect(answer.json.token)));
        expect(active.filter((answer) => answer.active)).toHaveLength(1);
      }
      const { data } = await one.client().tokens.list({ workflow: 'nightly', limit: 200 });
      expect(data).toHaveLength(8);
    } finally {
      await two.close();
      await one.close();
    }
  });
});
