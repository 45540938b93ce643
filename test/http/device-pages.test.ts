import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { sessions } from '../../src/store/schema.js';
import { endSessions } from '../../src/store/sessions.js';
import { decide, hiddenFields, openPage, sendPage, typeCode } from '../setup/device.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { startTestSession, type TestSession } from '../setup/session.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const NEAR = '127.0.0.1';

let service: TestService;
let owner: TestSession;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
  owner = await startTestSession(service);
});
afterAll(() => service.close());

/** A device that asks, from a network of its own unless told otherwise. */
async function begin(fields: Record<string, string> = {}, address?: string) {
  serial += 1;
  const form = new URLSearchParams({ client_id: 'countersign-cli', ...fields }).toString();
  const from = address ?? `198.51.100.${serial}`;
  const { body, status } = await send(service, 'POST', '/oauth2/device_authorization', {
    token: null,
    form,
    address: from,
  });
  return { status, address: from, deviceCode: String(body['device_code']), userCode: String(body['user_code']) };
}

async function poll(deviceCode: string) {
  const form = new URLSearchParams({ grant_type: GRANT, client_id: 'countersign-cli', device_code: deviceCode });
  const { body, status } = await send(service, 'POST', '/oauth2/token', { token: null, form: form.toString() });
  return { status, error: body['error'], token: String(body['access_token']) };
}

async function login(session: TestSession, fields: Record<string, string> = {}): Promise<string> {
  const { deviceCode, userCode } = await begin(fields);
  expect((await decide(service, session, userCode)).status).toBe(200);
  return (await poll(deviceCode)).token;
}

const end = (session: TestSession) =>
  inTransaction(service.db.db, (tx) => {
    const origin = { actorType: 'system', actorId: 'test' } as const;
    return endSessions(tx, service.owner.workspace.id, eq(sessions.id, session.id), origin, service.clock.now());
  });

const isActive = async (token: string) => (await service.client().introspect(token)).active;

describe('the device page', () => {
  it('leads who is not signed in to the sign-in, and back', async () => {
    for (const answer of [
      await openPage(service, undefined),
      await sendPage(service, undefined, '/console/device', { fields: { user_code: 'WDJBM-JHTKX' } }),
      await sendPage(service, undefined, '/console/device/decision', { fields: { decision: 'approve' } }),
    ]) {
      expect(answer.status).toBe(303);
      expect(answer.headers.get('location')).toBe('/console/sign-in?return_to=%2Fconsole%2Fdevice');
    }
  });

  it('takes the code from behind the # of the address and sends nothing by itself', async () => {
    const { text, headers } = await openPage(service, owner);
    expect(text).toContain('location.hash');
    expect(text).not.toMatch(/submit\(|fetch\(|onload|autofocus/);
    const policy = headers.get('content-security-policy');
    expect(policy).toMatch(/script-src 'sha256-[^']+'/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self'");
  });

  it('approves nothing by an address: not by a query, and not by GET', async () => {
    const { userCode, deviceCode } = await begin();
    const query = `user_code=${userCode}&decision=approve&mine=yes`;
    await openPage(service, owner, `/console/device?${query}`);
    expect((await openPage(service, owner, `/console/device/decision?${query}`)).status).toBe(405);
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
  });

  it('shows who asks, from where, since when, for what, as whom, where and for how long', async () => {
    const { userCode, address } = await begin({ client_name: 'laptop-7', scope: 'tokens:read workflows:read' });
    service.clock.advance(180);
    const { status, text } = await typeCode(service, owner, userCode.toLowerCase().replace('-', ' '));
    expect(status).toBe(200);
    const { email } = service.owner.member;
    const asked = new Date(service.clock.now().getTime() - 180_000).toISOString().slice(0, 16).replace('T', ' ');
    for (const said of ['laptop-7', address, `${asked} UTC`, '3 min ago', email, service.owner.workspace.slug]) {
      expect(text).toContain(said);
    }
    for (const said of ['<code>tokens:read</code>', '<code>workflows:read</code>', '12 hours', userCode]) {
      expect(text).toContain(said);
    }
    expect(text).not.toContain('workspace:admin');
  });

  it('has forms and links that lead to the right place from wherever they are shown', async () => {
    const { userCode } = await begin();
    const shown = hiddenFields(await typeCode(service, owner, userCode));
    const say = (fields: Record<string, string>) =>
      sendPage(service, owner, '/console/device/decision', { fields: { ...shown, decision: 'approve', ...fields } });
    const action = ({ text }: { text: string }) => /<form method="post" action="([^"]*)"/.exec(text)?.[1];
    expect(action(await openPage(service, owner))).toBe(`${ISSUER}/console/device`);
    expect(action(await say({ user_code: 'XXXXX-XXXXX' }))).toBe(`${ISSUER}/console/device`);
    expect(action(await typeCode(service, owner, userCode))).toBe(`${ISSUER}/console/device/decision`);
    expect(action(await say({}))).toBe(`${ISSUER}/console/device/decision`);
    expect((await say({ mine: 'yes' })).text).toContain(`href="${ISSUER}/console/device"`);
  });

  it('shows the name of a device as text of one line, whatever it is', async () => {
    const name = `<script>alert(1)</script>\u202e\u0007\u200b${'x'.repeat(100)}`;
    const { userCode } = await begin({ client_name: name });
    const { text } = await typeCode(service, owner, userCode);
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(text).not.toMatch(/<script>|[\u202e\u0007\u200b]/);
    expect(text).not.toContain('x'.repeat(64));
    const nameless = await begin();
    expect((await typeCode(service, owner, nameless.userCode)).text).toContain('unnamed device');
  });

  it('keeps no token that a device calls itself by', async () => {
    const { token } = await service.seedToken();
    const { userCode } = await begin({ client_name: token });
    expect((await typeCode(service, owner, userCode)).text).not.toContain(token.slice(27));
  });
});

it('no device may wait where nobody could sign in to say yes', async () => {
  const fresh = await createTestService();
  try {
    const form = 'client_id=countersign-cli';
    const ask = () => send(fresh, 'POST', '/oauth2/device_authorization', { token: null, form });
    const refused = await ask();
    expect([refused.status, refused.body['error']]).toEqual([400, 'access_denied']);
    await startTestSession(fresh);
    expect((await ask()).status).toBe(200);
  } finally {
    await fresh.close();
  }
});

describe('a device in another network than the browser', () => {
  it('is warned of in plain words, with its address; one in the same network is not', async () => {
    const far = await begin({}, '203.0.113.9');
    const { text } = await typeCode(service, owner, far.userCode);
    expect(text).toContain('not in the network that you are in now');
    expect(text).toContain('203.0.113.9');
    const near = await begin({}, NEAR);
    expect((await typeCode(service, owner, near.userCode)).text).not.toContain('role="alert"');
  });

  it('is not approved without saying that one started it', async () => {
    const { userCode, deviceCode } = await begin({}, '203.0.113.10');
    const refused = await decide(service, owner, userCode, 'approve', { fields: { mine: undefined } });
    expect(refused.status).toBe(422);
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
    expect((await decide(service, owner, userCode)).status).toBe(200);
  });

  it('is turned away without it', async () => {
    const { userCode, deviceCode } = await begin({}, '203.0.113.11');
    expect((await decide(service, owner, userCode, 'deny', { fields: { mine: undefined } })).status).toBe(200);
    expect((await poll(deviceCode)).error).toBe('access_denied');
  });

  it('is told by the first 64 bits of an IPv6 address', async () => {
    const near = await begin({}, '2001:db8:0:9::1');
    const browser = { address: '2001:db8:0:9:ffff::2' };
    expect((await typeCode(service, owner, near.userCode, browser)).text).not.toContain('role="alert"');
    const far = await begin({}, '2001:db8:0:a::1');
    expect((await typeCode(service, owner, far.userCode, browser)).text).toContain('role="alert"');
  });
});

describe('forms of other sites', () => {
  it.each([
    ['a foreign origin', { origin: 'https://evil.example' }],
    ['an origin that only looks alike', { origin: `${ISSUER}.evil.example` }],
    ['a null origin', { origin: 'null' }],
    ['no origin', { origin: null }],
    ['the fetch metadata of another site', { origin: null, headers: { 'sec-fetch-site': 'cross-site' } }],
  ])('are refused by %s, on both forms', async (_, browsing) => {
    const { userCode, deviceCode } = await begin();
    expect((await typeCode(service, owner, userCode, browsing)).status).toBe(403);
    const shown = hiddenFields(await typeCode(service, owner, userCode));
    const fields = { ...shown, decision: 'approve', mine: 'yes' };
    const decided = await sendPage(service, owner, '/console/device/decision', { ...browsing, fields });
    expect(decided.status).toBe(403);
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
  });

  it('are refused without the form token, with a wrong one, and with that of another session', async () => {
    const { userCode, deviceCode } = await begin();
    const other = hiddenFields(await openPage(service, await startTestSession(service)));
    for (const form_token of [undefined, 'x', other['form_token']]) {
      expect((await decide(service, owner, userCode, 'approve', { fields: { form_token } })).status).toBe(403);
      expect((await typeCode(service, owner, userCode, { fields: { form_token } })).status).toBe(403);
    }
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
  });

  it('are refused with a Bearer token in the place of the cookie', async () => {
    const headers = { authorization: `Bearer ${service.owner.printed}` };
    const answer = await sendPage(service, undefined, '/console/device', { headers, fields: { user_code: 'x' } });
    expect(answer.status).toBe(303);
  });
});

describe('user codes', () => {
  it('that are wrong, expired, used or no codes at all are refused in the same words', async () => {
    const wrong = await begin();
    const used = await begin();
    const old = await begin();
    await decide(service, owner, used.userCode);
    const mistyped = wrong.userCode.slice(0, 6) + (wrong.userCode.endsWith('BBBBB') ? 'CCCCC' : 'BBBBB');
    const session = await startTestSession(service, { memberId: (await service.makeMember('member')).id });
    const answers = [
      await typeCode(service, session, mistyped),
      await typeCode(service, session, used.userCode),
      await typeCode(service, session, 'XXXXX-XXXXX'),
      await typeCode(service, session, 'no code at all'),
      await typeCode(service, session, ''),
    ];
    service.clock.advance(600);
    answers.push(await typeCode(service, session, old.userCode));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(422);
  });

  it('are over after five wrong tries, also when they come at the same moment', async () => {
    const { userCode, deviceCode } = await begin();
    const people = await Promise.all([1, 2, 3].map(() => service.makeMember('admin')));
    const browsers = await Promise.all(people.map(({ id }) => startTestSession(service, { memberId: id })));
    const guess = (at: number) => {
      const browser = browsers[at % 3];
      if (browser === undefined) throw new Error('no browser');
      return typeCode(service, browser, `${userCode.slice(0, 6)}BCDF${'GHJKL'[at % 5]}`);
    };
    await Promise.all(Array.from({ length: 30 }, (_, at) => guess(at)));
    expect((await typeCode(service, owner, userCode)).status).toBe(422);
    expect((await poll(deviceCode)).error).toBe('expired_token');
    const id = await service.db.sql`select max(tries) as most from device_authorizations`;
    expect(id[0]?.['most']).toBe(5);
  });

  it('are not counted when they are right, and stop a member who types wrong ones again and again', async () => {
    const session = await startTestSession(service, { memberId: (await service.makeMember('member')).id });
    const { userCode } = await begin();
    for (let at = 0; at < 6; at += 1) expect((await typeCode(service, session, userCode)).status).toBe(200);
    const statuses = [];
    for (let at = 0; at < 21; at += 1) statuses.push((await typeCode(service, session, 'XXXXX-XXXXX')).status);
    expect(statuses).toEqual([...Array(20).fill(422), 429]);
    expect((await typeCode(service, session, userCode)).status).toBe(429);
  });

  it('are limited by network, and by how many wait', async () => {
    const statuses = [];
    for (let at = 0; at < 21; at += 1) statuses.push((await begin({}, '203.0.113.200')).status);
    expect(statuses).toEqual([...Array(20).fill(200), 429]);
    const { sql } = service.db;
    const until = new Date(service.clock.now().getTime() + 600_000).toISOString();
    await sql`
      insert into device_authorizations (id, digest, pepper_kid, locator, verifier, tries, client_name, created_at,
        expires_at, status)
      select gen_random_uuid(), '', '', 'L' || n, 'none', 0, 'waits', ${service.clock.now().toISOString()}, ${until},
        'pending' from generate_series(1, 1000) n`;
    expect((await begin()).status).toBe(503);
    service.clock.advance(1_201);
    await keepHouse(sql, service.clock.now());
    expect(await sql`select id from device_authorizations`).toEqual([]);
    owner = await startTestSession(service);
  });
});

describe('a decision', () => {
  it('of two at the same moment is one, whether they agree or not', async () => {
    for (const second of ['approve', 'deny'] as const) {
      const { userCode, deviceCode } = await begin({}, NEAR);
      const shown = hiddenFields(await typeCode(service, owner, userCode));
      const say = (decision: string) =>
        sendPage(service, owner, '/console/device/decision', { fields: { ...shown, decision } });
      const answers = await Promise.all([say('approve'), say(second)]);
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 422]);
      const { status, error } = await poll(deviceCode);
      expect([200, 'access_denied']).toContain(status === 200 ? 200 : error);
      expect((await say('approve')).status).toBe(422);
    }
  });

  it('is about the very device that was shown, and about what was shown of it', async () => {
    const [one, two] = [await begin({}, NEAR), await begin({}, NEAR)];
    const shown = hiddenFields(await typeCode(service, owner, one.userCode));
    const say = (fields: Record<string, string>) =>
      sendPage(service, owner, '/console/device/decision', { fields: { ...shown, decision: 'approve', ...fields } });
    expect((await say({ user_code: two.userCode })).status).toBe(422);
    expect((await say({ shown: 'tokens:read' })).status).toBe(422);
    expect((await say({ decision: 'perhaps' })).status).toBe(400);
    expect((await poll(one.deviceCode)).error).toBe('authorization_pending');
    expect((await say({})).status).toBe(200);
  });

  it('gives no more than was shown, when the person has got more rights meanwhile', async () => {
    const { id } = await service.makeMember('member');
    const session = await startTestSession(service, { memberId: id });
    const { userCode } = await begin({}, NEAR);
    const shown = hiddenFields(await typeCode(service, session, userCode));
    await service.client().members.patch(id, { role: 'admin' });
    const fields = { ...shown, decision: 'approve' };
    const answer = await sendPage(service, session, '/console/device/decision', { fields });
    expect([answer.status, answer.text]).toEqual([422, expect.stringContaining('workspace:admin')]);
  });

  it('gives no scope that the person does not have', async () => {
    const { id } = await service.makeMember('member');
    const session = await startTestSession(service, { memberId: id });
    const { userCode, deviceCode } = await begin({ scope: 'tokens:read members:write' }, NEAR);
    const shown = await typeCode(service, session, userCode);
    expect(shown.text).toContain('does not have members:write');
    expect(shown.text).not.toContain('value="approve"');
    expect((await decide(service, session, userCode)).status).toBe(403);
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
  });

  it('narrows the token to what was asked for', async () => {
    const token = await login(owner, { scope: 'tokens:read' });
    const me = await service.client(token).me();
    expect(me.token).toMatchObject({ workflow: 'countersign', scopes: ['tokens:read'] });
    await expect(service.client(token).members.list()).rejects.toMatchObject({ status: 403 });
  });

  it('is for the workspace of who decides, whoever shows the code', async () => {
    const other = await service.makeWorkspace('other-tenant');
    const session = await startTestSession(service, { owner: other });
    const token = await login(session);
    expect((await service.client(token).me()).workspace.slug).toBe('other-tenant');
    expect((await service.client().introspect(token)).active).toBe(false);
  });

  it('is on record, with who asked from where', async () => {
    const { userCode, deviceCode, address } = await begin({ client_name: 'on-record' });
    await decide(service, owner, userCode);
    const { token } = await poll(deviceCode);
    const id = (await service.client(token).me()).token.id;
    const denied = await begin({ client_name: 'not-mine' });
    await decide(service, owner, denied.userCode, 'deny');
    const about = async (action: string) => (await service.client().auditEvents({ action, limit: 200 })).data.at(-1);
    expect(await about('device.approved')).toMatchObject({
      actor: { type: 'member' },
      ip: '127.0.0.1',
      data: { client_name: 'on-record', asked_from: address, token: id, via: expect.stringMatching(/^ses_/) },
    });
    const minted = (await service.client().auditEvents({ target: id })).data[0];
    expect(minted).toMatchObject({ action: 'token.minted', data: { workflow: 'countersign' } });
    expect(await about('device.redeemed')).toMatchObject({ actor: { type: 'token', id }, ip: '192.0.2.1' });
    expect(await about('device.denied')).toMatchObject({ data: { client_name: 'not-mine' } });
  });
});

describe('an approval is over before the device comes', () => {
  const approvedBy = async (session: TestSession) => {
    const { userCode, deviceCode } = await begin();
    expect((await decide(service, session, userCode)).status).toBe(200);
    return () => poll(deviceCode);
  };

  it('when its session was ended', async () => {
    const session = await startTestSession(service);
    const ask = await approvedBy(session);
    await end(session);
    expect(await ask()).toMatchObject({ status: 400, error: 'access_denied' });
  });

  it('when its person was suspended, and stays so when the person comes back', async () => {
    const { id } = await service.makeMember('member');
    const ask = await approvedBy(await startTestSession(service, { memberId: id }));
    await service.client().members.suspend(id);
    expect((await ask()).error).toBe('access_denied');
    await service.client().members.reactivate(id);
    expect((await ask()).error).toBe('access_denied');
  });

  it('when its person was removed', async () => {
    const { id } = await service.makeMember('member');
    const ask = await approvedBy(await startTestSession(service, { memberId: id }));
    await service.client().members.remove(id);
    expect((await ask()).error).toBe('access_denied');
  });

  it('when everything was revoked, as after a phishing that somebody noticed', async () => {
    const other = await service.makeWorkspace('phished');
    const ask = await approvedBy(await startTestSession(service, { owner: other }));
    await service.client(other.printed).tokens.revokeMany({ reason: 'leaked', workspace: true });
    expect((await ask()).error).toBe('access_denied');
  });

  it.each<[string, boolean, (session: TestSession, memberId: string) => Promise<unknown>]>([
    ['the approval and the end of the session', false, (session) => end(session)],
    ['the approval and a suspension', false, (_, id) => service.client().members.suspend(id)],
    ['the approval and a removal', false, (_, id) => service.client().members.remove(id)],
    ['the device and the end of the session', true, (session) => end(session)],
    ['the device and a suspension', true, (_, id) => service.client().members.suspend(id)],
    ['the device and a removal', true, (_, id) => service.client().members.remove(id)],
    [
      'the device and a revocation of all',
      true,
      (_, creator_id) => service.client().tokens.revokeMany({ reason: 'leaked', creator_id }),
    ],
  ])('also when they come at the same moment: %s', async (_, isApproved, act) => {
    for (let round = 0; round < 3; round += 1) {
      const { id } = await service.makeMember('member');
      const session = await startTestSession(service, { memberId: id });
      const { userCode, deviceCode } = await begin({}, NEAR);
      if (isApproved) await decide(service, session, userCode);
      const meanwhile = isApproved ? poll(deviceCode) : decide(service, session, userCode);
      const [answer] = await Promise.all([meanwhile, act(session, id)]);
      if ('token' in answer && answer.status === 200) expect(await isActive(answer.token)).toBe(false);
      expect((await poll(deviceCode)).status).toBe(400);
    }
  });

  it('gives no more than the role of the person allows by then', async () => {
    const { id } = await service.makeMember('admin');
    const { userCode, deviceCode } = await begin();
    await decide(service, await startTestSession(service, { memberId: id }), userCode);
    await service.client().members.patch(id, { role: 'member' });
    const { token } = await poll(deviceCode);
    await expect(service.client(token).members.list()).rejects.toMatchObject({ status: 403 });
  });

  it('and a dead session approves nothing', async () => {
    const session = await startTestSession(service);
    const { userCode, deviceCode } = await begin();
    const shown = hiddenFields(await typeCode(service, session, userCode));
    await end(session);
    const fields = { ...shown, decision: 'approve', mine: 'yes' };
    expect((await sendPage(service, session, '/console/device/decision', { fields })).status).toBe(303);
    expect((await poll(deviceCode)).error).toBe('authorization_pending');
  });
});

describe('the token of a device', () => {
  it('is good for twelve hours from the approval and no longer, however late it was fetched', async () => {
    const { userCode, deviceCode } = await begin();
    const approvedAt = service.clock.now();
    await decide(service, owner, userCode);
    service.clock.advance(300);
    const { token } = await poll(deviceCode);
    const me = await service.client(token).me();
    expect(Date.parse(me.token.expires_at) - approvedAt.getTime()).toBe(12 * 3600_000);
    service.clock.advance(12 * 3600 - 301);
    expect(await isActive(token)).toBe(true);
    service.clock.advance(1);
    expect(await isActive(token)).toBe(false);
    owner = await startTestSession(service);
  });

  it('is listed, introspected and revoked like any other', async () => {
    const token = await login(owner, { client_name: 'listed' });
    const listed = (await service.client().tokens.list({ workflow: 'countersign', limit: 200 })).data;
    const [found] = listed.filter(({ name }) => name === 'sign-in on listed');
    expect(found?.status).toBe('active');
    expect(await service.client().introspect(token)).toMatchObject({
      active: true,
      jti: found?.id,
      client_id: 'countersign',
      sub: expect.stringMatching(/^mem_/),
    });
    await service.client().tokens.revoke(found?.id ?? '', { reason: 'other' });
    expect(await isActive(token)).toBe(false);
  });

  it('ends with the session that approved it, and not with another one', async () => {
    const [session, other] = [await startTestSession(service), await startTestSession(service)];
    const token = await login(session);
    await end(other);
    expect(await isActive(token)).toBe(true);
    await end(session);
    expect(await isActive(token)).toBe(false);
  });

  it('is never rotated, neither by itself nor by an owner: hours would become days', async () => {
    const token = await login(owner);
    const { id } = (await service.client(token).me()).token;
    for (const [caller, path] of [
      [token, 'self'],
      [service.owner.printed, id],
    ]) {
      const answer = await send(service, 'POST', `/v1/tokens/${path}/rotate`, {
        token: caller ?? null,
        json: { expires_in_days: 7 },
      });
      expect([answer.status, answer.body['code']]).toEqual([409, 'short_lived']);
      expect(answer.body['detail']).toContain('sign in again');
    }
    expect((await service.client().tokens.show(id)).rotated_to).toBeNull();
  });

  it('can be revoked by who holds it (RFC 7009)', async () => {
    const token = await login(owner);
    await service.client(null).revoke(token);
    expect(await isActive(token)).toBe(false);
  });

  it('has no argon2id verifier, and its secret is nowhere', async () => {
    const token = await login(owner);
    const id = parsePublicId('tok', `tok_${token.slice(4, 26)}`);
    const [row] = await service.db
      .sql`select verifier, row_to_json(t)::text as text from tokens t where id = ${id ?? ''}`;
    expect(row?.['verifier']).toBeNull();
    expect(String(row?.['text'])).not.toContain(token.slice(27));
    expect(service.log.join()).not.toContain(token.slice(27));
  });
});
