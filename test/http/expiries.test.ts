import ICAL from 'ical.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId, type TokenId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { MAX_EXPIRY_EVENTS } from '../../src/wire/expiries.js';
import type { MintRequest } from '../../src/wire/resources.js';
import { seedRunner } from '../setup/dpop.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly', { allowed_scopes: ['repo:*', 'tokens:read'] });
});
afterAll(() => service.close());

const PATH = '/v1/expiries.ics';
const basic = (user: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const mint = (request: Partial<MintRequest> = {}, by?: string) =>
  service.client(by).tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30, ...request });
const idOf = (publicId: string) => parsePublicId('tok', publicId) as TokenId;

/** The events of a calendar as a reader of another make has them, by the tokens that they are about. */
async function events(token = service.owner.printed, query = '') {
  const { status, text } = await send(service, 'GET', PATH + query, { token });
  expect(status).toBe(200);
  const found = new ICAL.Component(ICAL.parse(text)).getAllSubcomponents('vevent').map((one) => new ICAL.Event(one));
  return new Map(found.map((event) => [event.uid.split('@')[0] ?? '', event]));
}

describe('the calendar of ends', () => {
  test('has an event for a token of a workflow, at the instant of its end', async () => {
    const minted = await mint({ name: 'at \u{1f319}; BEGIN:VEVENT, of the shop' });
    const event = (await events()).get(minted.id);
    expect(event?.uid).toBe(`${minted.id}@${new URL(ISSUER).host}`);
    expect(event?.startDate.toJSDate().toISOString()).toBe(minted.expires_at);
    expect(event?.summary).toBe('Token of nightly ends: at \u{1f319}; BEGIN:VEVENT, of the shop');
    expect(event?.description).toContain(`countersign token rotate ${minted.id}`);
    expect(event?.description).toContain(`Owner: ${minted.owner.email}`);
    expect(event?.component.getAllSubcomponents('valarm')).toHaveLength(2);
    const short = await mint({ expires_in_days: 7 });
    // A week before its end it was not there.
    expect((await events()).get(short.id)?.component.getAllSubcomponents('valarm')).toHaveLength(1);
  });

  test('leaves out what has a successor, was revoked or frozen, is over, was made for hours, or is a sign-in', async () => {
    const before = new Set((await events()).keys());
    const [rotated, revoked, frozen, hours, over] = await Promise.all([1, 2, 3, 4, 5].map(() => mint()));
    const successor = await service.client().tokens.rotate(rotated?.id ?? '');
    await service.client().tokens.revoke(revoked?.id ?? '', { reason: 'unused' });
    const { sql } = service.db;
    await sql`update tokens set frozen_at = now(), frozen_reason = 'unused' where id = ${idOf(frozen?.id ?? '')}`;
    await sql`update tokens set expires_in_days = 0 where id = ${idOf(hours?.id ?? '')}`;
    await sql`update tokens set expires_at = ${service.clock.now().toISOString()} where id = ${idOf(over?.id ?? '')}`;
    await seedRunner(service);
    await service.makeMember('member');
    const added = [...(await events()).keys()].filter((id) => !before.has(id));
    expect(added).toEqual([successor.id]);
  });

  test('shows a member what it made or owns, an auditor all, and nobody another workspace', async () => {
    const member = await service.makeMember('member');
    const auditor = await service.makeMember('auditor');
    const elsewhere = await service.makeWorkspace('elsewhere');
    const own = await mint({}, member.token);
    const given = await mint();
    const other = await mint();
    await service.client().tokens.transfer(given.id, { owner_id: member.id });
    expect([...(await events(member.token)).keys()].sort()).toEqual([own.id, given.id].sort());
    expect([...(await events(auditor.token)).keys()]).toEqual(expect.arrayContaining([own.id, given.id, other.id]));
    expect([...(await events(elsewhere.printed)).keys()]).toEqual([]);
  });

  test('looks no further than it is told to', async () => {
    const [week, quarter] = [await mint({ expires_in_days: 7 }), await mint({ expires_in_days: 90 })];
    const near = [...(await events(undefined, '?days=7')).keys()];
    expect(near).toContain(week.id);
    expect(near).not.toContain(quarter.id);
    expect([...(await events()).keys()]).toContain(quarter.id);
    for (const query of ['?days=0', '?days=367', '?days=x', '?workflow=nightly']) {
      expect((await send(service, 'GET', PATH + query)).status).toBe(422);
    }
  });

  test('has the soonest 2,000, and says what it leaves out', async () => {
    const { printed, workspace } = await service.makeWorkspace('many');
    await service.client(printed).workflows.put('many', { allowed_scopes: ['repo:*'] });
    const first = await mint({ workflow: 'many', expires_in_days: 7 }, printed);
    const whole = await send(service, 'GET', PATH, { token: printed });
    expect(whole.text).not.toContain('left out');
    await service.db.sql`
      insert into tokens (workspace_id, id, kind, workflow, creator_id, owner_id, scopes, constraints, created_at,
        expires_at, expires_in_days, lineage_id, digest, pepper_kid, secret_set_at)
      select workspace_id, gen_random_uuid(), kind, workflow, creator_id, owner_id, scopes, constraints, created_at,
        expires_at + i * interval '1 second', expires_in_days, lineage_id, digest, pepper_kid, secret_set_at
      from tokens, generate_series(1, ${MAX_EXPIRY_EVENTS}) i
      where workspace_id = ${workspace.id} and id = ${idOf(first.id)}`;
    const found = await events(printed);
    expect(found.size).toBe(MAX_EXPIRY_EVENTS);
    expect(found.has(first.id)).toBe(true);
    const { text } = await send(service, 'GET', PATH, { token: printed });
    const last = addDays(service.clock.now(), 7).getTime() + (MAX_EXPIRY_EVENTS - 1) * 1000;
    expect(String(new ICAL.Component(ICAL.parse(text)).getFirstPropertyValue('description'))).toContain(
      `what ends after ${new Date(last).toISOString()} is left out`,
    );
  });

  test('is a text that may be kept, and is not sent again to who has it (RFC 9110 section 13.1.2)', async () => {
    const first = await send(service, 'GET', PATH);
    expect(first.headers.get('content-type')).toBe('text/calendar; charset=utf-8');
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^W\/"[\w-]{43}"$/);
    service.clock.advance(60);
    const bare = etag.slice(2);
    for (const known of [etag, bare, `"other", ${etag}`, '*']) {
      const again = await send(service, 'GET', PATH, { headers: { 'if-none-match': known } });
      expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    }
    for (const other of ['"other"', bare.slice(1), '']) {
      expect((await send(service, 'GET', PATH, { headers: { 'if-none-match': other } })).status).toBe(200);
    }
    await mint();
    expect((await send(service, 'GET', PATH, { headers: { 'if-none-match': etag } })).status).toBe(200);
    // Not to who may not see it.
    const dead = await send(service, 'GET', PATH, { token: 'cst_noise', headers: { 'if-none-match': etag } });
    expect(dead.status).toBe(401);
  });
});

describe('a calendar program, which knows HTTP Basic alone (RFC 7617)', () => {
  test('sends the token as password, under any user name', async () => {
    const { token } = await mint({ scopes: ['tokens:read'] });
    for (const user of ['', 'calendar', 'ada@acme.example', 'é']) {
      const answer = await send(service, 'GET', PATH, { token: null, headers: basic(user, token) });
      expect(answer.status).toBe(200);
    }
    const lower = { authorization: basic('me', token).authorization.replace('Basic', 'bASIC') };
    expect((await send(service, 'HEAD', PATH, { token: null, headers: lower })).status).toBe(200);
  });

  test('is told of both ways when it sends nothing or nothing good', async () => {
    const { token } = await mint({ scopes: ['tokens:read'] });
    const forged = `${token.slice(0, -7)}0${token.slice(-6)}`;
    const both = /^Basic realm="countersign", charset="UTF-8", Bearer realm="countersign"/;
    const bad = [
      basic('me', ''),
      basic('me', 'secret'),
      basic('me', forged),
      basic('me', `${token} `),
      basic('me', ` ${token}`),
      basic('me', `${token}\n`),
      basic(token, ''),
      { authorization: 'Basic' },
      { authorization: 'Basic ' },
      { authorization: `Basic ${token}` },
      { authorization: `Basic ${Buffer.from(token).toString('base64')}` },
      { authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')} x` },
    ];
    for (const headers of [{}, ...bad]) {
      const answer = await send(service, 'GET', PATH, { token: null, headers });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(both);
      expect(answer.text).not.toContain(token);
    }
    await service.client(null).revoke(token);
    expect((await send(service, 'GET', PATH, { token: null, headers: basic('me', token) })).status).toBe(401);
  });

  test('needs tokens:read', async () => {
    const { token } = await mint();
    const answer = await send(service, 'GET', PATH, { token: null, headers: basic('me', token) });
    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toContain('scope="tokens:read"');
  });

  test('gets nothing with the token of a runner, whose key it cannot prove', async () => {
    const runner = await seedRunner(service);
    const answer = await send(service, 'GET', PATH, { token: null, headers: basic('me', runner.token) });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP /);
  });

  test('is let in on this path alone', async () => {
    const headers = basic('me', service.owner.printed);
    const others: [string, string][] = [
      ['GET', '/v1/tokens'],
      ['GET', '/v1/me'],
      ['GET', '/v1/tokens/self/usage'],
      ['POST', '/v1/revocations'],
      ['GET', '/scim/v2/Users'],
    ];
    for (const [method, path] of others) {
      const answer = await send(service, method, path, { token: null, headers });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get('www-authenticate')).not.toContain('Basic');
    }
    expect((await send(service, 'POST', PATH, { token: null, headers })).status).toBe(405);
  });

  test('takes no token in the address, and none is written down', async () => {
    const { token } = await mint({ scopes: ['tokens:read'] });
    for (const query of [`?token=${token}`, `?access_token=${token}`]) {
      const answer = await send(service, 'GET', PATH + query, { token: null });
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain(token);
    }
    await send(service, 'GET', PATH, { token: null, headers: basic('me', token) });
    const encoded = basic('me', token).authorization;
    const written = service.log.filter((line) => line.includes(token) || line.includes(encoded));
    expect(written).toEqual([]);
  });
});

test('the SDK gives the calendar as a text', async () => {
  const minted = await mint({ expires_in_days: 7 });
  const text = await service.client().tokens.expiryCalendar({ days: 7 });
  expect(text).toMatch(/^BEGIN:VCALENDAR\r\n/);
  expect(text.replaceAll('\r\n ', '')).toContain(`UID:${minted.id}@`);
  await expect(service.client('cst_noise').tokens.expiryCalendar()).rejects.toMatchObject({ status: 401 });
});
