import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Browser, locationOf, openBrowser, type Visit } from '../setup/browser.js';
import { type RunningProvider, signInAs, startOidcProvider } from '../setup/oidc-provider.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

/** Attacks on a sign-in by who has a browser, a link or a place on the way, at a provider that does everything right. */
let provider: RunningProvider;
let service: TestService;
let browser: Browser;
beforeAll(async () => {
  const people = {
    ada: { email: 'ada@acme.example', email_verified: true },
    eve: { email: 'eve@acme.example', email_verified: true },
  };
  provider = await startOidcProvider({ pages: ISSUER, people });
  service = await createTestService({ oidc: provider.settings() });
  for (const email of ['ada@acme.example', 'eve@acme.example']) {
    await service.client().members.invite({ email, role: 'member' });
  }
});
afterAll(async () => {
  await service.close();
  await provider.stop();
});
beforeEach(() => {
  browser = openBrowser(service);
});

const isCallback = (page: Visit) => locationOf(page).pathname === '/console/sign-in/callback';
/** Where the provider leads a browser back to, not yet followed. */
const cameBack = async (who: string, at = browser) => locationOf(await signInAs(at, who, '', isCallback));
const isIn = async (at: Browser) => (await at.send('GET', '/console')).status === 200;
/** Begins a sign-in. Gives where it leads to. */
const begin = async (at = browser) => locationOf(await at.send('POST', '/console/sign-in', { form: {} }));

describe('an authorization response', () => {
  test('counts once: neither the state nor the code come again, also with the cookie put back', async () => {
    const callback = await cameBack('ada');
    const kept = browser.cookies();
    expect((await browser.open(callback)).url.pathname).toBe('/console');
    for (const [name, value] of kept) browser.plant(name, value);
    expect((await browser.send('GET', callback)).status).toBe(403);
  });

  test('counts once on all nodes, however many take it at once', async () => {
    const { database, keys } = service;
    const node = await createTestService({ oidc: provider.settings(), database, keys });
    try {
      const callback = await cameBack('ada');
      const others = [openBrowser(node), openBrowser(service), openBrowser(node)];
      for (const other of others) for (const [name, value] of browser.cookies()) other.plant(name, value);
      const answers = await Promise.all([browser, ...others].map((one) => one.send('GET', callback)));
      expect(answers.map(({ status }) => status).sort()).toEqual([303, 403, 403, 403]);
    } finally {
      await node.close();
    }
  });

  test('means nothing in another browser: nobody can be signed in as somebody else by a link', async () => {
    const callback = await cameBack('eve');
    const victim = openBrowser(service);
    expect((await victim.send('GET', callback)).status).toBe(403);
    await begin(victim);
    expect((await victim.send('GET', callback)).status).toBe(403);
    expect(await isIn(victim)).toBe(false);
  });

  test.each([
    ['another state', (url: URL) => url.searchParams.set('state', 'A'.repeat(43))],
    ['no state', (url: URL) => url.searchParams.delete('state')],
    ['an empty state', (url: URL) => url.searchParams.set('state', '')],
    ['two states', (url: URL) => url.searchParams.append('state', url.searchParams.get('state') ?? '')],
    ['another issuer, as in a mix-up', (url: URL) => url.searchParams.set('iss', 'https://evil.example')],
    ['an issuer that is only like it', (url: URL) => url.searchParams.set('iss', `${provider.issuer}/`)],
    ['no issuer', (url: URL) => url.searchParams.delete('iss')],
    ['two issuers', (url: URL) => url.searchParams.append('iss', provider.issuer)],
    ['two codes', (url: URL) => url.searchParams.append('code', 'x')],
    ['another code', (url: URL) => url.searchParams.set('code', 'x'.repeat(43))],
    ['no code', (url: URL) => url.searchParams.delete('code')],
    ['an error beside it', (url: URL) => url.searchParams.set('error', 'access_denied')],
    ['an ID token in the address', (url: URL) => url.searchParams.set('id_token', 'e30.e30.x')],
    ['a whole response', (url: URL) => url.searchParams.set('response', 'e30.e30.x')],
  ])('with %s is refused', async (_what, tamper) => {
    const callback = await cameBack('ada');
    tamper(callback);
    const page = await browser.send('GET', callback);
    expect([page.status, page.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8']);
    expect(await isIn(browser)).toBe(false);
  });

  test('that the provider does not confirm is tried so often from one network, and asks the provider no more', async () => {
    const eve = openBrowser(service, ISSUER, '198.51.100.66');
    const statuses = new Set<number>();
    for (let at = 0; at < 130; at += 1) {
      const { searchParams } = await begin(eve);
      const made = new URLSearchParams({ code: 'x', state: searchParams.get('state') ?? '', iss: provider.issuer });
      statuses.add((await eve.send('GET', `/console/sign-in/callback?${made}`)).status);
    }
    expect([...statuses]).toEqual([403, 429]);
    const callback = await cameBack('ada');
    expect((await browser.open(callback)).url.pathname).toBe('/console');
  });

  test('is too late after ten minutes', async () => {
    const callback = await cameBack('ada');
    service.clock.advance(600);
    expect((await browser.send('GET', callback)).status).toBe(403);
  });

  test('that says no shows it, and nothing that it carries', async () => {
    const { searchParams } = await begin();
    const said = new URLSearchParams({
      error: '<script>alert(1)</script>',
      error_description: '<img src=x onerror=alert(1)>',
      state: searchParams.get('state') ?? '',
      iss: provider.issuer,
    });
    const page = await browser.send('GET', `/console/sign-in/callback?${said}`);
    expect(page.status).toBe(403);
    expect(page.text).not.toMatch(/alert|onerror/);
  });
});

test('of a suspension and a sign-in at the same moment no session is left, also after the suspension', async () => {
  const { data } = await service.client().members.list({ limit: 200 });
  const id = data.find(({ email }) => email === 'ada@acme.example')?.id ?? '';
  for (let round = 0; round < 4; round += 1) {
    const at = openBrowser(service);
    const callback = await cameBack('ada', at);
    await Promise.all([at.send('GET', callback), service.client().members.suspend(id)]);
    expect(await isIn(at)).toBe(false);
    await service.client().members.reactivate(id);
    expect(await isIn(at)).toBe(false);
  }
});

describe('a code', () => {
  test('of another sign-in of the same browser is refused: its PKCE verifier is another', async () => {
    const stolen = await cameBack('eve', openBrowser(service));
    const { searchParams } = await begin();
    const injected = new URL(stolen);
    injected.searchParams.set('state', searchParams.get('state') ?? '');
    expect((await browser.send('GET', injected)).status).toBe(403);
    expect(await isIn(browser)).toBe(false);
  });

  test('without PKCE is not given out, and one of a weaker challenge is not redeemed', async () => {
    const target = await begin();
    expect(target.searchParams.get('code_challenge_method')).toBe('S256');
    expect(target.searchParams.get('code_challenge')).toMatch(/^[A-Za-z0-9_-]{43}$/);
    for (const downgrade of [
      (url: URL) => {
        url.searchParams.delete('code_challenge');
        url.searchParams.delete('code_challenge_method');
      },
      (url: URL) => url.searchParams.set('code_challenge_method', 'plain'),
      (url: URL) => url.searchParams.set('code_challenge', 'A'.repeat(43)),
    ]) {
      const at = openBrowser(service);
      const url = await begin(at);
      downgrade(url);
      let here = await at.follow(await at.send('GET', url));
      if (here.text.includes('name="login"')) here = await at.submit(here, { login: 'ada', password: 'any' });
      if (here.text.includes('value="consent"')) here = await at.submit(here);
      expect(await isIn(at)).toBe(false);
    }
  });

  test('of a sign-in without our nonce is refused', async () => {
    for (const change of [
      (url: URL) => url.searchParams.delete('nonce'),
      (url: URL) => url.searchParams.set('nonce', 'that of an earlier sign-in'),
    ]) {
      const at = openBrowser(service);
      const url = await begin(at);
      change(url);
      const login = await at.follow(await at.send('GET', url));
      const consent = await at.submit(login, { login: 'ada', password: 'any' });
      const page = await at.submit(consent);
      expect([page.url.pathname, page.status]).toEqual(['/console/sign-in/callback', 403]);
    }
  });
});

describe('a sign-in', () => {
  test('is begun by the own page alone', async () => {
    for (const sending of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: null },
      { origin: null, headers: { 'sec-fetch-site': 'cross-site' } },
    ]) {
      const page = await browser.send('POST', '/console/sign-in', { form: {}, ...sending });
      expect(page.status).toBe(403);
    }
    expect(browser.cookies().size).toBe(0);
    expect((await browser.send('GET', '/console/sign-in/callback')).status).toBe(403);
  });

  test.each(['https://evil.example', '//evil.example', '/\\evil.example', '/console/..//evil.example', '/v1/me'])(
    'does not lead to %s',
    async (target) => {
      const page = await signInAs(browser, 'ada', `?return_to=${encodeURIComponent(target)}`, isCallback);
      const answer = await browser.send('GET', locationOf(page));
      expect(answer.headers.get('location')).toBe('/console');
    },
  );

  test('gives a session of its own, whatever cookie an attacker has planted', async () => {
    const attacker = openBrowser(service);
    await signInAs(attacker, 'eve');
    const planted = attacker.cookies().get('__Host-countersign') ?? '';
    browser.plant('__Host-countersign', planted);
    const page = await signInAs(browser, 'ada');
    expect(page.text).toContain('ada@acme.example');
    expect(browser.cookies().get('__Host-countersign')).not.toBe(planted);
    // It was the attacker's, and what it was planted for is over: it has ended.
    expect(await isIn(attacker)).toBe(false);
  });

  test('keeps its cookies to this host, from scripts and from forms of other sites', async () => {
    const sent = await browser.send('POST', '/console/sign-in', { form: {} });
    const [cookie = ''] = sent.headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-countersign-sign-in-[A-Za-z0-9_-]{43}=/);
    expect(cookie.split('; ').slice(1).sort()).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax', 'Secure']);
    const back = await browser.send('GET', await cameBack('ada'));
    const session = back.headers.getSetCookie().find((line) => line.startsWith('__Host-countersign=')) ?? '';
    expect(session.split('; ').slice(1).sort()).toEqual([
      'HttpOnly',
      'Max-Age=43200',
      'Path=/',
      'SameSite=Lax',
      'Secure',
    ]);
  });

  test('sealed for one thing opens no other, and not under keys of somebody else', async () => {
    const target = await begin();
    const state = target.searchParams.get('state') ?? '';
    const [sealed = ''] = [...browser.cookies().values()];
    const form = { choice: state, workspace: service.owner.workspace.slug };
    expect((await browser.send('POST', '/console/sign-in/workspace', { form })).status).toBe(403);
    const stranger = await createTestService({ oidc: provider.settings(), database: service.database });
    try {
      const there = openBrowser(stranger);
      there.plant(`__Host-countersign-sign-in-${state}`, sealed);
      const callback = `/console/sign-in/callback?code=x&state=${state}&iss=${encodeURIComponent(provider.issuer)}`;
      expect((await there.send('GET', callback)).text).toContain('not known here');
    } finally {
      await stranger.close();
    }
  });
});
