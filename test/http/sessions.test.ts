import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseToken, type SessionId } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { takeOnce } from '../../src/store/seen.js';
import { endSessions, findSession, startSession } from '../../src/store/sessions.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const ORIGIN = { actorType: 'system', actorId: 'test' } as const;
const now = () => service.clock.now();

async function start(memberId = service.owner.member.id) {
  const workspaceId = service.owner.workspace.id;
  const draft = { workspaceId, memberId, method: 'passkey' } as const;
  return inTransaction(service.db.db, (tx) => startSession(tx, service.secrets, draft, ORIGIN, now()));
}

function find(printed: string) {
  const parsed = parseToken(printed);
  if (parsed === undefined) throw new Error('not the form of a session');
  const cookie = { id: parsed.id as string as SessionId, cookieSecret: parsed.tokenSecret };
  return findSession(service.db.db, service.secrets, cookie, now());
}

describe('a session', () => {
  test('is found by its cookie, and not by one with another secret', async () => {
    const [one, two] = [await start(), await start()];
    expect((await find(one.printed))?.session.id).toBe(one.id);
    const [id, secret] = [parseToken(one.printed)?.id, parseToken(two.printed)?.tokenSecret];
    if (id === undefined || secret === undefined) throw new Error('malformed');
    const mixed = { id: id as string as SessionId, cookieSecret: secret };
    expect(await findSession(service.db.db, service.secrets, mixed, now())).toBeUndefined();
  });

  test('is over after an hour without use, and after twelve hours with it', async () => {
    const { printed } = await start();
    for (let hour = 0.5; hour < 12; hour += 0.5) {
      service.clock.advance(1800);
      expect(await find(printed)).toBeDefined();
    }
    service.clock.advance(1800);
    expect(await find(printed)).toBeUndefined();

    const idle = await start();
    service.clock.advance(3600);
    expect(await find(idle.printed)).toBeUndefined();
  });

  test('is over once it was ended, and ended once', async () => {
    const { printed } = await start();
    const { id } = service.owner.workspace;
    const end = () => inTransaction(service.db.db, (tx) => endSessions(tx, id, undefined, ORIGIN, now()));
    expect(await end()).toBeGreaterThan(0);
    expect(await end()).toBe(0);
    expect(await find(printed)).toBeUndefined();
  });

  test('is no Bearer token', async () => {
    const { printed } = await start();
    await expect(service.client(printed).me()).rejects.toMatchObject({ status: 401 });
  });

  test('holds nothing in the database that its cookie could be made of', async () => {
    const { printed } = await start();
    const rows = await service.db.sql`select row_to_json(s)::text as row from sessions s`;
    const secret = parseToken(printed)?.tokenSecret ?? '';
    expect(rows.some(({ row }) => String(row).includes(secret))).toBe(false);
  });
});

test('of many who take a thing at once one gets it', async () => {
  const until = new Date(now().getTime() + 60_000);
  const take = () => takeOnce(service.db.db, 'sign_in_state', 'the same', until);
  const taken = await Promise.all(Array.from({ length: 20 }, take));
  expect(taken.filter(Boolean)).toHaveLength(1);
  expect(await takeOnce(service.db.db, 'logout_jti', 'the same', until)).toBe(true);
});
