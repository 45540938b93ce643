import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parsePublicId, type SessionId } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { startSession } from '../../src/store/sessions.js';
import type { SignIn } from '../../src/store/workspaces.js';
import { type Browser, locationOf, openBrowser } from '../setup/browser.js';
import { type RunningProvider, signInAs, startOidcProvider } from '../setup/oidc-provider.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const PATH = '/console/backchannel-logout';

describe('signing out at the provider', () => {
  let provider: RunningProvider;
  let service: TestService;
  beforeAll(async () => {
    provider = await startOidcProvider({
      pages: ISSUER,
      people: {},
      // The provider calls the service, which has no port.
      fetch: async (url, options) => service.service.app.request(new Request(url, options)),
    });
    service = await createTestService({ oidc: provider.settings() });
  });
  afterAll(async () => {
    await service.close();
    await provider.stop();
  });

  async function invited(subject: string): Promise<Browser> {
    const email = `${subject}@acme.example`;
    provider.people[subject] = { email, email_verified: true };
    await service.client().members.invite({ email, role: 'member' });
    return openBrowser(service);
  }

  const signOut = async (browser: Browser) =>
    browser.submit(await browser.open(`${provider.issuer}/session/end`), { logout: 'yes' });
  const isIn = async (browser: Browser) => (await browser.send('GET', '/console')).status === 200;

  test('ends the session here, and what was approved in it', async () => {
    const browser = await invited('ada');
    await signInAs(browser, 'ada');
    expect(await isIn(browser)).toBe(true);
    await signOut(browser);
    expect(locationOf(await browser.send('GET', '/console')).pathname).toBe('/console/sign-in');
    const { data } = await service.client().auditEvents({ action: 'session.ended' });
    expect(data[0]?.actor).toEqual({ type: 'system', id: 'openid-provider' });
    await signInAs(browser, 'ada');
    expect(await isIn(browser)).toBe(true);
  });

  test('leaves no way in to who has yet to choose a workspace', async () => {
    const browser = await invited('eve');
    const other = await service.makeWorkspace('other');
    await service.client(other.printed).members.invite({ email: 'eve@acme.example', role: 'member' });
    const choice = await signInAs(browser, 'eve');
    expect(choice.text).toContain('Which workspace?');
    await signOut(browser);
    const page = await browser.submit(choice, { workspace: 'other' });
    expect([page.status, page.text.includes('has ended meanwhile')]).toEqual([403, true]);
    expect(await isIn(browser)).toBe(false);
  });

  test('ends also the session that starts at that very moment', async () => {
    const browser = await invited('bob');
    const { sql } = service.db;
    const waiting = async () =>
      (await sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
        .length;
    let isSignedOut = false;
    const both = await sql.begin(async (tx) => {
      await tx`select 1 from workspaces for update`;
      const callback = await signInAs(browser, 'bob', '', (at) => locationOf(at).pathname.endsWith('/callback'));
      const entering = browser.open(locationOf(callback));
      await until(async () => (await waiting()) === 1);
      const leaving = signOut(browser).then(() => {
        isSignedOut = true;
      });
      await until(async () => isSignedOut || (await waiting()) === 2);
      return { entering, leaving };
    });
    await Promise.all([both.entering, both.leaving]);
    expect(await isIn(browser)).toBe(false);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await holds())) if (Date.now() > deadline) throw new Error('it does not come to that');
}

describe('a logout token', () => {
  const CLIENT_ID = 'countersign';
  const keys = generateKeyPair('RS256', { extractable: true });
  const strangers = generateKeyPair('RS256', { extractable: true });
  let service: TestService;
  let elsewhere: SignIn;
  let issuer: string;
  let stop: () => Promise<void>;
  let serial = 0;
  let subject: string;
  beforeAll(async () => {
    const jwk = { ...(await exportJWK((await keys).publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
    const server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        jwks_uri: `${issuer}/jwks`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
      };
      response.end(JSON.stringify(request.url === '/jwks' ? { keys: [jwk] } : metadata));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    stop = async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    };
    service = await createTestService({
      oidc: {
        issuer,
        clientId: CLIENT_ID,
        clientSecret: undefined,
        allowedDomains: [],
        isEmailTrusted: false,
        workspace: undefined,
        roles: undefined,
      },
    });
    elsewhere = await service.makeWorkspace('elsewhere');
  });
  afterAll(async () => {
    await service.close();
    await stop();
  });
  beforeEach(() => {
    serial += 1;
    subject = `person-${serial}`;
  });

  /** A session as a sign-in at the provider starts it. */
  async function session(
    more: { readonly sid?: string; readonly subject?: string; readonly issuer?: string } = {},
    owner: SignIn = service.owner,
  ): Promise<SessionId> {
    const { workspace, member } = owner;
    const draft = { workspaceId: workspace.id, memberId: member.id, method: 'oidc', issuer, subject, ...more } as const;
    const origin = { actorType: 'system', actorId: 'test' } as const;
    const now = service.clock.now();
    return (await inTransaction(service.db.db, (tx) => startSession(tx, service.secrets, draft, origin, now))).id;
  }

  async function ended(...ids: SessionId[]): Promise<boolean[]> {
    const rows = await service.db.sql`select id, ended_at from sessions where id = any(${ids}::uuid[])`;
    return ids.map((id) => rows.find((row) => row['id'] === id)?.['ended_at'] !== null);
  }

  const seconds = () => Math.floor(service.clock.now().getTime() / 1000);
  const claimsOf = (more: Readonly<Record<string, unknown>> = {}): JWTPayload => ({
    iss: issuer,
    aud: CLIENT_ID,
    iat: seconds(),
    exp: seconds() + 120,
    jti: `logout-${serial}-${Math.random()}`,
    sub: subject,
    events: { [EVENT]: {} },
    ...more,
  });
  const sign = async (claims: JWTPayload, header: Record<string, unknown> = {}, key = keys) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'logout+jwt', ...header })
      .sign((await key).privateKey);
  const give = (token: string, headers = {}) =>
    send(service, 'POST', PATH, {
      token: null,
      form: new URLSearchParams({ logout_token: token }).toString(),
      headers,
    });

  test('of a person ends all their sessions, in every workspace, and nobody else’s', async () => {
    const own = [await session(), await session({ sid: 'a' }), await session({}, elsewhere)];
    const others = [await session({ subject: 'another' }), await session({ issuer: 'https://another.example' })];
    const answer = await give(await sign(claimsOf()));
    expect([answer.status, answer.text, answer.headers.get('cache-control')]).toEqual([200, '', 'no-store']);
    expect(await ended(...own)).toEqual([true, true, true]);
    expect(await ended(...others)).toEqual([false, false]);
    const audit = await service.client(elsewhere.printed).auditEvents({ action: 'session.ended' });
    expect(audit.data).toHaveLength(1);
  });

  test('of a session ends that, and what was approved in it, and leaves the person’s others', async () => {
    const [a, b] = [await session({ sid: 'sid-a' }), await session({ sid: 'sid-b' })];
    const minted = await service.seedToken();
    await service.db.sql`update tokens set session_id = ${a} where id = ${parsePublicId('tok', minted.id) ?? ''}`;
    expect((await give(await sign(claimsOf({ sid: 'sid-a', sub: undefined })))).status).toBe(200);
    expect(await ended(a, b)).toEqual([true, false]);
    expect(await service.client().introspect(minted.token)).toEqual({ active: false });
  });

  test('of both ends that session, and those of the person of which no sid is known', async () => {
    const meant = [await session({ sid: 'sid-c' }), await session()];
    const others = [await session({ sid: 'sid-d' }), await session({ sid: 'sid-c', subject: 'another' })];
    expect((await give(await sign(claimsOf({ sid: 'sid-c' })))).status).toBe(200);
    expect(await ended(...meant, ...others)).toEqual([true, true, false, false]);
  });

  test('of nobody who is here is well, too', async () => {
    expect((await give(await sign(claimsOf({ sub: 'nobody' })))).status).toBe(200);
  });

  test('counts once, on all nodes', async () => {
    const token = await sign(claimsOf());
    const { database, keys: nodeKeys } = service;
    const oidc = {
      issuer,
      clientId: CLIENT_ID,
      clientSecret: undefined,
      allowedDomains: [],
      isEmailTrusted: false,
      workspace: undefined,
      roles: undefined,
    };
    const node = await createTestService({ oidc, database, keys: nodeKeys });
    try {
      const form = new URLSearchParams({ logout_token: token }).toString();
      const answers = await Promise.all(
        [service, node, service].map((one) => send(one, 'POST', PATH, { token: null, form })),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    } finally {
      await node.close();
    }
    const later = await session();
    service.clock.advance(60);
    expect((await give(token)).status).toBe(400);
    expect(await ended(later)).toEqual([false]);
  });

  test.each<[string, () => Promise<string>]>([
    ['with a nonce: it would be an ID token', () => sign(claimsOf({ nonce: 'x' }))],
    ['without the event', () => sign(claimsOf({ events: {} }))],
    ['with another event', () => sign(claimsOf({ events: { 'http://schemas.openid.net/event/other': {} } }))],
    ['with an event that is none', () => sign(claimsOf({ events: { [EVENT]: true } }))],
    ['without events', () => sign(claimsOf({ events: undefined }))],
    ['of neither a person nor a session', () => sign(claimsOf({ sub: undefined }))],
    ['of a session that no database can hold', () => sign(claimsOf({ sid: 'a\0' }))],
    ['without an id', () => sign(claimsOf({ jti: undefined }))],
    ['for another client', () => sign(claimsOf({ aud: 'another' }))],
    ['of another issuer', () => sign(claimsOf({ iss: 'https://evil.example' }))],
    ['of an hour ago', () => sign(claimsOf({ iat: seconds() - 3600, exp: seconds() + 3600 }))],
    ['that has expired', () => sign(claimsOf({ exp: seconds() - 60 }))],
    ['of the future', () => sign(claimsOf({ iat: seconds() + 600, exp: seconds() + 700 }))],
    ['without a time', () => sign(claimsOf({ iat: undefined }))],
    ['of another type', () => sign(claimsOf(), { typ: 'at+jwt' })],
    ['of the key of somebody else', () => sign(claimsOf(), {}, strangers)],
    ['of an unknown key', () => sign(claimsOf(), { kid: 'two' }, strangers)],
    ['without a signature', async () => new UnsecuredJWT(claimsOf()).encode()],
    ['that is none', async () => 'x'],
    ['that is a token of this service', async () => service.owner.printed],
  ])('%s is refused, and ends nothing', async (_what, make) => {
    const open = await session();
    const answer = await give(await make());
    expect([answer.status, answer.body['error']]).toEqual([400, 'invalid_request']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await ended(open)).toEqual([false]);
  });

  test('may leave its type out, or name it', async () => {
    for (const typ of [undefined, 'JWT', 'logout+jwt', 'application/logout+jwt']) {
      expect((await give(await sign(claimsOf(), { typ }))).status).toBe(200);
    }
  });

  test('is needed, once, in a form', async () => {
    const token = await sign(claimsOf());
    const twice = `logout_token=${token}&logout_token=${token}`;
    for (const sending of [{ form: '' }, { form: twice }, { json: { logout_token: token } }, {}]) {
      expect((await send(service, 'POST', PATH, { token: null, ...sending })).status).toBe(400);
    }
    expect((await send(service, 'GET', `${PATH}?logout_token=${token}`, { token: null })).status).toBe(405);
  });

  test('is what ends a session: no cookie and no origin does', async () => {
    const open = await session();
    const headers = { cookie: '__Host-countersign=x', origin: ISSUER };
    expect((await give('', headers)).status).toBe(400);
    expect(await ended(open)).toEqual([false]);
  });
});
