import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, parseToken } from '../../src/rules/format.js';
import { createLookup, type Lookup, type StoredToken } from '../../src/store/lookup.js';
import { recordReuse } from '../../src/store/reuse.js';
import { createUseLog, recordFirstUse, remakeDigest, verifierOf } from '../../src/store/use.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let lookup: Lookup;
beforeAll(async () => {
  service = await createTestService();
  lookup = createLookup(service.database.options, () => undefined);
});
afterAll(async () => {
  await lookup.close();
  await service.close();
});

async function stored(printed: string): Promise<StoredToken> {
  const id = parseToken(printed)?.id;
  const found = id && (await lookup.find(id));
  if (!found) throw new Error('not there');
  return found;
}

const useNow = () => ({ at: service.clock.now(), ip: '192.0.2.9', by: undefined });

describe('the first use', () => {
  it('is recorded once, however many come at the same moment', async () => {
    const { id } = await service.seedToken();
    const next = await service.client().tokens.rotate(id);
    const token = await stored(next.token);
    const uses = await Promise.all([1, 2, 3, 4].map(() => recordFirstUse(service.db.db, token, useNow())));
    expect(uses).toEqual([true, true, true, true]);
    const { data } = await service.client().auditEvents({ target: id, action: 'token.drain_started' });
    expect(data).toHaveLength(1);
  });

  it('is refused to a secret that was replaced since it was looked up', async () => {
    const { id } = await service.seedToken();
    const next = await service.client().tokens.rotate(id);
    const before = await stored(next.token);
    service.clock.advance(1);
    await service.client().tokens.rotate(id);
    expect(await recordFirstUse(service.db.db, before, useNow())).toBe(false);
    expect((await service.client().tokens.show(next.id)).last_used_at).toBeNull();
  });

  it('is refused to a replaced secret also when its successor was used already', async () => {
    const { id } = await service.seedToken();
    const next = await service.client().tokens.rotate(id);
    const before = await stored(next.token);
    service.clock.advance(1);
    const again = await service.client().tokens.rotate(id);
    expect(await recordFirstUse(service.db.db, await stored(again.token), useNow())).toBe(true);
    expect(await recordFirstUse(service.db.db, before, useNow())).toBe(false);
  });

  it('is not refused because another node made the digest anew', async () => {
    const { token } = await service.seedToken();
    const before = await stored(token);
    await remakeDigest(service.db.db, before, { digest: Buffer.alloc(32, 1), pepperKid: 'other' });
    expect(await recordFirstUse(service.db.db, before, useNow())).toBe(true);
  });
});

describe('the digest made anew', () => {
  it('is not written over a secret that was replaced meanwhile', async () => {
    const { id } = await service.seedToken();
    const lost = await service.client().tokens.rotate(id);
    const before = await stored(lost.token);
    const again = await service.client().tokens.rotate(id);
    await remakeDigest(service.db.db, before, { digest: Buffer.alloc(32, 1), pepperKid: 'other' });
    expect(await service.client().introspect(again.token)).toMatchObject({ active: true });
  });

  it('leaves the argon2id string, which changes with the secret alone', async () => {
    const { token } = await service.seedToken();
    const before = await stored(token);
    const verifier = await verifierOf(service.db.db, before);
    expect(verifier).toMatch(/^\$argon2id\$v=19\$/);
    await remakeDigest(service.db.db, before, { digest: Buffer.alloc(32, 1), pepperKid: 'other' });
    expect(await verifierOf(service.db.db, before)).toBe(verifier);
  });
});

describe('reuse', () => {
  it('is recorded once an hour, however many come at the same moment', async () => {
    const first = await service.seedToken();
    const token = await stored(first.token);
    const reuse = () => recordReuse(service.db.db, token, { use: useNow(), requestId: 'request', asker: undefined });
    await Promise.all([1, 2, 3, 4].map(reuse));
    service.clock.advance(3600);
    await reuse();
    service.clock.advance(1);
    await reuse();
    const { data } = await service.client().auditEvents({ target: first.id, action: 'token.reused' });
    expect(data).toHaveLength(2);
  });
});

describe('the log of last uses', () => {
  it('writes the latest of each token, and never an older one over it', async () => {
    const [one, other] = [await service.seedToken(), await service.seedToken()];
    const [first, second] = [await stored(one.token), await stored(other.token)];
    const log = createUseLog(() => service.db.db);
    const at = (seconds: number) => new Date(service.clock.now().getTime() + seconds * 1000);
    log.note(first, { at: at(1), ip: '192.0.2.1', by: undefined });
    log.note(first, { at: at(3), ip: '192.0.2.3', by: second.facts.id });
    log.note(second, { at: at(2), ip: undefined, by: undefined });
    await log.flush();
    log.note(first, { at: at(2), ip: '192.0.2.2', by: undefined });
    await log.flush();
    expect(await service.client().tokens.show(one.id)).toMatchObject({
      last_used_at: at(3).toISOString(),
      last_used_ip: '192.0.2.3',
      last_used_by: other.id,
    });
    expect(await service.client().tokens.show(other.id)).toMatchObject({
      last_used_at: at(2).toISOString(),
      last_used_ip: null,
    });
  });

  it('keeps the latest run of each token, whatever came after it and in whatever order they are written', async () => {
    const { id, token } = await service.seedToken();
    const found = await stored(token);
    const at = (seconds: number) => new Date(service.clock.now().getTime() + seconds * 1000);
    const [older, newer] = [newId('chk', at(10)), newId('chk', at(20))];
    const [one, other] = [createUseLog(() => service.db.db), createUseLog(() => service.db.db)];
    const kept = async () => {
      const rows = await service.db
        .sql`select last_used_check_id, last_used_ip from tokens where id = ${found.facts.id}`;
      return rows[0] && { check: rows[0]['last_used_check_id'], ip: rows[0]['last_used_ip'] };
    };
    one.note(found, { at: at(10), ip: '192.0.2.10', by: undefined, checkId: older });
    one.note(found, { at: at(30), ip: '192.0.2.30', by: undefined });
    other.note(found, { at: at(20), ip: '192.0.2.20', by: undefined, checkId: newer });
    await one.flush();
    expect(await kept()).toEqual({ check: older, ip: '192.0.2.30' });
    await other.flush();
    expect(await kept()).toEqual({ check: newer, ip: '192.0.2.30' });
    one.note(found, { at: at(10), ip: '192.0.2.10', by: undefined, checkId: older });
    await one.flush();
    expect(await kept()).toEqual({ check: newer, ip: '192.0.2.30' });
    // No row of a run has that id: nothing is made up.
    expect((await service.client().tokens.show(id)).last_used_run).toBeNull();
  });

  it('writes a hundred tokens at a time, those first that have waited longest', async () => {
    const seeded = [await service.seedToken()];
    while (seeded.length < 101) seeded.push(await service.seedToken());
    const found = await Promise.all(seeded.map(({ token }) => stored(token)));
    const log = createUseLog(() => service.db.db);
    const use = { at: new Date(service.clock.now().getTime() + 5000), ip: '192.0.2.5', by: undefined };
    for (const token of found) log.note(token, use);
    // Another use of the first is no new place at the end.
    for (const first of found.slice(0, 1)) log.note(first, use);
    expect([await log.flush(), await log.flush(), await log.flush()]).toEqual([100, 1, 0]);
    expect((await service.client().tokens.show(seeded[100]?.id ?? '')).last_used_ip).toBe('192.0.2.5');
  });

  it('keeps what the database did not take, for the next time', async () => {
    const { id, token } = await service.seedToken();
    const log = createUseLog(() => service.db.db);
    const table = service.db.sql('tokens');
    log.note(await stored(token), {
      at: new Date(service.clock.now().getTime() + 9000),
      ip: '192.0.2.7',
      by: undefined,
    });
    await service.db.sql`alter table ${table} rename to tokens_away`;
    try {
      await expect(log.flush()).rejects.toThrow();
    } finally {
      await service.db.sql`alter table tokens_away rename to ${table}`;
    }
    await log.flush();
    expect((await service.client().tokens.show(id)).last_used_ip).toBe('192.0.2.7');
  });

  it('keeps a run that was not taken also when another use comes meanwhile', async () => {
    const { id, token } = await service.seedToken();
    const found = await stored(token);
    const log = createUseLog(() => service.db.db);
    const checkId = newId('chk', service.clock.now());
    const at = new Date(service.clock.now().getTime() + 9000);
    await service.db.sql.begin(async (tx) => {
      await tx`select 1 from tokens where id = ${found.facts.id} for update`;
      log.note(found, { at, ip: '192.0.2.7', by: undefined, checkId });
      const flushed = log.flush();
      log.note(found, { at, ip: '192.0.2.8', by: undefined });
      await flushed;
    });
    await log.flush();
    const rows = await service.db.sql`select last_used_check_id from tokens where id = ${found.facts.id}`;
    expect(rows[0]?.['last_used_check_id']).toBe(checkId);
    expect((await service.client().tokens.show(id)).last_used_ip).toBe('192.0.2.8');
  });
});

it('the log of uses waits for no token that is locked, and writes it down when it is free', async () => {
  const [held, free] = [await service.seedToken(), await service.seedToken()];
  const log = createUseLog(() => service.db.db);
  const use = { at: new Date(service.clock.now().getTime() + 5000), ip: '192.0.2.5', by: undefined };
  log.note(await stored(held.token), use);
  log.note(await stored(free.token), use);
  const key = parseToken(held.token)?.id ?? '';
  await service.db.sql.begin(async (tx) => {
    await tx`select 1 from tokens where id = ${key} for update`;
    await log.flush();
    expect((await service.client().tokens.show(free.id)).last_used_ip).toBe('192.0.2.5');
    expect((await service.client().tokens.show(held.id)).last_used_ip).toBeNull();
  });
  await log.flush();
  expect((await service.client().tokens.show(held.id)).last_used_ip).toBe('192.0.2.5');
});
