import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId, printId } from '../../src/rules/format.js';
import { type Browser, locationOf, openBrowser, type Visit } from '../setup/browser.js';
import { createTestService, type TestService } from '../setup/service.js';
import { startTestSession } from '../setup/session.js';

const COOKIE = '__Host-countersign';
let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

/** A member in a browser that is signed in as them. */
async function signedIn(role: 'owner' | 'admin' | 'member' | 'auditor' = 'member') {
  const member = await service.makeMember(role);
  const session = await startTestSession(service, { memberId: member.id });
  const browser = openBrowser(service);
  browser.plant(COOKIE, session.printed);
  return { ...member, session, sessionId: printId('ses', session.id), browser };
}

const formTokenOn = (page: Visit) => /name="form_token" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
const isIn = async (browser: Browser) => (await browser.send('GET', '/console')).status === 200;

/** A token of a member as a device login leaves it: bound to the session that approved it. */
async function tokenApprovedIn(session: { readonly id: string }) {
  const { id, token } = await service.seedToken();
  const uuid = parsePublicId('tok', id) ?? '';
  await service.db.sql`update tokens set session_id = ${session.id} where id = ${uuid}`;
  return token;
}

describe('the console', () => {
  test('says who is signed in, where, and in which sessions', async () => {
    const { browser, id } = await signedIn('auditor');
    const other = await startTestSession(service, { memberId: id });
    const page = await browser.open('/console');
    expect(page.text).toContain(service.owner.workspace.slug);
    expect(page.text).toContain('auditor');
    expect(page.text).toContain(printId('ses', other.id));
    expect(page.headers.get('content-security-policy')).toContain("form-action 'self'");
    expect(page.headers.get('cache-control')).toBe('no-store');
  });

  test('ends the session on signing out, and the tokens approved in it', async () => {
    const { browser, session } = await signedIn();
    const token = await tokenApprovedIn(session);
    const page = await browser.submit(await browser.open('/console'), {}, '/console/sign-out');
    expect(page.url.pathname).toBe('/console/sign-in');
    expect(browser.cookies().has(COOKIE)).toBe(false);
    browser.plant(COOKIE, session.printed);
    expect(await isIn(browser)).toBe(false);
    expect(await service.client().introspect(token)).toEqual({ active: false });
  });

  test('lets no form of another site take the cookie away, without which the session would go on unseen', async () => {
    // A browser sends no cookie along with such a form, but takes those of the answer.
    const stranger = openBrowser(service);
    const page = await stranger.send('POST', '/console/sign-out', { form: {}, origin: 'https://evil.example' });
    expect([page.status, page.headers.getSetCookie()]).toEqual([403, []]);
  });

  test('ends another session of the person, or all others, and none of anybody else', async () => {
    const ada = await signedIn();
    const grace = await signedIn();
    const others = [
      await startTestSession(service, { memberId: ada.id }),
      await startTestSession(service, { memberId: ada.id }),
    ];
    const end = async (session: string) => {
      const form = { form_token: formTokenOn(await ada.browser.open('/console')), session };
      return ada.browser.send('POST', '/console/sessions/end', { form });
    };
    expect((await end(grace.sessionId)).status).toBe(404);
    expect((await end(printId('ses', others[0]?.id ?? ada.session.id))).status).toBe(303);
    const live = async () =>
      (await service.client(ada.token).sessions.list()).data.filter((one) => one.status === 'active');
    expect(await live()).toHaveLength(2);
    expect((await end('others')).status).toBe(303);
    expect((await live()).map(({ id }) => id)).toEqual([ada.sessionId]);
    expect([await isIn(ada.browser), await isIn(grace.browser)]).toEqual([true, true]);
  });

  test('leads who came by the address of the issuer to where the cookies of its pages are', async () => {
    const local = await createTestService({ issuer: () => 'http://127.0.0.1:8787', database: service.database });
    try {
      const request = new Request('http://127.0.0.1:8787/console/sign-in?return_to=/console/device', {
        headers: { host: '127.0.0.1:8787' },
      });
      const answer = await local.service.app.request(request);
      expect(answer.headers.get('location')).toBe('http://localhost:8787/console/sign-in?return_to=/console/device');
    } finally {
      await local.close();
    }
  });
});

describe('a form that comes from elsewhere is refused, and changes nothing', () => {
  test.each([
    ['of another site', { origin: 'https://evil.example' }],
    ['of a site below this one', { origin: 'https://evil.countersign.example' }],
    ['of this host without TLS', { origin: 'http://countersign.example' }],
    ['of a page without an origin', { origin: 'null' }],
    ['of nobody', { origin: null }],
    ['of another site, by its other word', { origin: null, headers: { 'sec-fetch-site': 'cross-site' } }],
    ['of a neighbour, by its other word', { origin: null, headers: { 'sec-fetch-site': 'same-site' } }],
  ])('%s', async (_from, sending) => {
    const { browser } = await signedIn();
    const form = { form_token: formTokenOn(await browser.open('/console')) };
    expect((await browser.send('POST', '/console/sign-out', { form, ...sending })).status).toBe(403);
    const others = { ...form, session: 'others' };
    expect((await browser.send('POST', '/console/sessions/end', { form: others, ...sending })).status).toBe(403);
    expect(await isIn(browser)).toBe(true);
  });

  test('without the token of the form, or with one of another session', async () => {
    const [ada, grace] = [await signedIn(), await signedIn()];
    const foreign = formTokenOn(await grace.browser.open('/console'));
    for (const form of [{}, { form_token: 'x' }, { form_token: foreign }]) {
      expect((await ada.browser.send('POST', '/console/sign-out', { form })).status).toBe(403);
    }
    expect(await isIn(ada.browser)).toBe(true);
  });

  test('and a session is never ended by an address', async () => {
    const { browser } = await signedIn();
    for (const path of ['/console/sign-out', '/console/sessions/end']) {
      expect((await browser.send('GET', path)).status).toBe(405);
    }
    expect(await isIn(browser)).toBe(true);
  });
});

describe('a cookie and a token', () => {
  test('are never taken for each other', async () => {
    const { browser, session, token } = await signedIn('owner');
    await expect(service.client(session.printed).me()).rejects.toMatchObject({ status: 401 });
    const withCookie = await browser.send('GET', '/v1/me');
    expect(withCookie.status).toBe(401);
    browser.plant(COOKIE, token);
    expect(await isIn(browser)).toBe(false);
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    expect((await openBrowser(service).send('GET', '/console', bearer)).status).toBe(303);
  });

  test('a session planted in a browser shows whose it is, and no guess opens one', async () => {
    const { browser, session } = await signedIn();
    const cookies = ['', 'x', session.printed.slice(0, -1), `${session.printed}x`, session.printed.toUpperCase()];
    for (const cookie of cookies) {
      browser.plant(COOKIE, cookie);
      expect(await isIn(browser)).toBe(false);
    }
  });
});

describe('a session on the pages', () => {
  test('ends after an hour without use, and after twelve hours with it', async () => {
    const idle = await signedIn();
    service.clock.advance(3599);
    expect(await isIn(idle.browser)).toBe(true);
    service.clock.advance(3600);
    expect(await isIn(idle.browser)).toBe(false);

    const used = await signedIn();
    for (let half = 1; half < 24; half += 1) {
      service.clock.advance(1800);
      expect(await isIn(used.browser)).toBe(true);
    }
    service.clock.advance(1800);
    expect(await isIn(used.browser)).toBe(false);
    expect((await service.client(used.token).sessions.list()).data.map(({ status }) => status)).toEqual(['ended']);
  });

  test('ends with the suspension and the removal of its person, and does not come back', async () => {
    const suspended = await signedIn();
    await service.client().members.suspend(suspended.id);
    expect(await isIn(suspended.browser)).toBe(false);
    await service.client().members.reactivate(suspended.id);
    expect(await isIn(suspended.browser)).toBe(false);
    const removed = await signedIn();
    const token = await tokenApprovedIn(removed.session);
    await service.client().members.remove(removed.id);
    expect(await isIn(removed.browser)).toBe(false);
    expect(await service.client().introspect(token)).toEqual({ active: false });
  });

  test('goes on when the role changes, with the new role', async () => {
    const { browser, id } = await signedIn('member');
    await service.client().members.patch(id, { role: 'auditor' });
    expect((await browser.open('/console')).text).toContain('<strong>auditor</strong>');
  });
});

describe('/v1/sessions', () => {
  test('lists one’s own, newest first, page by page', async () => {
    const { id, token } = await service.makeMember('member');
    const made: string[] = [];
    for (let at = 0; at < 3; at += 1) {
      service.clock.advance(1);
      made.unshift(printId('ses', (await startTestSession(service, { memberId: id })).id));
    }
    const client = service.client(token);
    const first = await client.sessions.list({ limit: 2 });
    const second = await client.sessions.list({ limit: 2, cursor: first.next_cursor ?? '' });
    expect([...first.data, ...second.data].map((one) => one.id)).toEqual(made);
    expect(second.next_cursor).toBeNull();
    expect(first.data[0]).toMatchObject({ member_id: id, method: 'passkey', status: 'active', ended_at: null });
    expect(JSON.stringify(first)).not.toMatch(/digest|pepper|secret/);
  });

  test('is closed to a token of a job, which could sign its creator out', async () => {
    const { token } = await service.seedToken({ scopes: ['repo:read'] });
    const session = await startTestSession(service);
    await expect(service.client(token).sessions.list()).rejects.toMatchObject({ status: 403 });
    await expect(service.client(token).sessions.end(printId('ses', session.id))).rejects.toMatchObject({ status: 404 });
  });

  test('ends one’s own at once, with what was approved in it, once', async () => {
    const { browser, sessionId, session, token, id } = await signedIn();
    const approved = await tokenApprovedIn(session);
    await service.client(token).sessions.end(sessionId);
    await service.client(token).sessions.end(sessionId);
    expect(await isIn(browser)).toBe(false);
    expect(await service.client().introspect(approved)).toEqual({ active: false });
    const ended = await service.client().auditEvents({ action: 'session.ended', target: id });
    expect(ended.data).toHaveLength(1);
  });

  test('an admin ends those of others, but for an owner’s; no id of nothing tells anything', async () => {
    const admin = service.client((await service.makeMember('admin')).token);
    const owner = await signedIn('owner');
    const member = await signedIn('member');
    await expect(admin.sessions.end(owner.sessionId)).rejects.toMatchObject({ status: 403 });
    await admin.sessions.end(member.sessionId);
    expect([await isIn(owner.browser), await isIn(member.browser)]).toEqual([true, false]);
    for (const id of [`ses_${'0'.repeat(22)}`, 'ses_x', owner.id]) {
      await expect(admin.sessions.end(id)).rejects.toMatchObject({ status: 404 });
    }
    await expect(admin.sessions.list({ member: `mem_${'0'.repeat(22)}` })).rejects.toMatchObject({ status: 404 });
  });
});

test('who is not signed in is led to the sign-in page, and back to no other site', async () => {
  const browser = openBrowser(service);
  expect(locationOf(await browser.send('GET', '/console')).pathname).toBe('/console/sign-in');
  const page = await browser.open('/console/sign-in');
  expect(page.text).toContain('No identity provider is configured');
  expect((await browser.send('POST', '/console/sign-in', { form: {} })).status).toBe(404);
});
