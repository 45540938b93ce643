import { createSecretKey } from 'node:crypto';
import { exportSPKI, generateKeyPair, importJWK, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { type MutableResponse, OAuth2Server } from 'oauth2-mock-server';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ProviderSettings } from '../../src/rules/sign-in.js';
import { openBrowser, type Visit } from '../setup/browser.js';
import { createTestService, type TestService } from '../setup/service.js';

/** ID tokens that are not what they should be, by a provider that can be made to give any. Its authorization responses have
 *  no issuer, and its key set no more than it says: it is another one than the other tests have. */
const server = new OAuth2Server();
const CLIENT_ID = 'countersign';
const SUBJECT = 'ada at the other provider';
let service: TestService;
let issuer: string;
/** What the next ID token is made of. */
let nonce: string;
let make: (claims: JWTPayload) => Promise<string>;
let userinfo: Record<string, unknown> | undefined;

beforeAll(async () => {
  await server.issuer.keys.generate('RS256', { kid: 'first' });
  await server.start(0, '127.0.0.1');
  issuer = server.issuer.url ?? '';
  service = await createTestService({ oidc: settings() });
  await service.client().members.invite({ email: 'ada@acme.example', role: 'member' });
  server.service.on('beforeAuthorizeRedirect', (_redirect, request: { readonly url?: string }) => {
    nonce = new URL(request.url ?? '', issuer).searchParams.get('nonce') ?? '';
  });
  server.service.on('beforeUserinfo', (response: MutableResponse) => {
    if (userinfo !== undefined) response.body = userinfo;
  });
});
afterAll(async () => {
  await service.close();
  await server.stop();
});
beforeEach(() => {
  make = (claims) => signed(claims);
  userinfo = undefined;
});

const settings = (more: Partial<ProviderSettings> = {}): ProviderSettings => ({
  issuer,
  clientId: CLIENT_ID,
  clientSecret: 'any',
  allowedDomains: [],
  isEmailTrusted: false,
  workspace: undefined,
  roles: undefined,
  ...more,
});

/** Another node on the same database, with its clock. */
const nodeWith = (oidc: ProviderSettings) =>
  createTestService({ oidc, database: service.database, keys: service.keys, at: service.clock.now() });

const seconds = () => Math.floor(service.clock.now().getTime() / 1000);
const claimsOf = (more: JWTPayload = {}): JWTPayload => ({
  iss: issuer,
  sub: SUBJECT,
  aud: CLIENT_ID,
  iat: seconds(),
  exp: seconds() + 300,
  nonce,
  email: 'ada@acme.example',
  email_verified: true,
  ...more,
});

async function signed(claims: JWTPayload, kid = 'first', header: Record<string, unknown> = {}): Promise<string> {
  const jwk = server.issuer.keys.get(kid);
  if (jwk === undefined) throw new Error(`no key ${kid}`);
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid, ...header }).sign(await importJWK(jwk, 'RS256'), {
    crit: { x: true },
  });
}

/** Signs in with the ID token that the provider is made to give. */
async function signIn(node: TestService = service): Promise<Visit> {
  const browser = openBrowser(node);
  const begun = await browser.send('POST', '/console/sign-in', { form: {} });
  const back = await browser.follow(begun, (page) => page.headers.get('location')?.includes('/callback') === true);
  const idToken = await make(claimsOf());
  server.service.once('beforeResponse', (response: MutableResponse) => {
    if (typeof response.body === 'object') response.body['id_token'] = idToken;
  });
  return browser.follow(back);
}

test('an ID token in order is taken', async () => {
  expect((await signIn()).url.pathname).toBe('/console');
});

describe('an ID token is refused', () => {
  const without = (claim: string) => (claims: JWTPayload) =>
    signed(Object.fromEntries(Object.entries(claims).filter(([name]) => name !== claim)));
  const changed = (more: () => JWTPayload) => (claims: JWTPayload) => signed({ ...claims, ...more() });

  test.each<[string, (claims: JWTPayload) => Promise<string>]>([
    ['without a signature', async (claims) => new UnsecuredJWT(claims).encode()],
    [
      'without a signature, of an algorithm that needs one',
      async (claims) => (await signed(claims)).replace(/[^.]+$/, ''),
    ],
    ['signed with the client secret', (claims) => byteSigned(claims, 'any')],
    ['signed with the public key as a secret', async (claims) => byteSigned(claims, await publicKeyText())],
    ['of a key that the provider does not have', (claims) => foreign(claims, { kid: 'unknown' })],
    ['of another key under a name that the provider has', (claims) => foreign(claims, { kid: 'first' })],
    ['of a key that it brings along', async (claims) => foreign(claims, { kid: 'mine', jwk: await foreignJwk() })],
    [
      'of keys at an address that it names',
      (claims) => foreign(claims, { kid: 'mine', jku: 'http://127.0.0.1:9/jwks' }),
    ],
    ['with a header that must be understood', (claims) => signed(claims, 'first', { crit: ['x'], x: 1 })],
    ['with a changed claim', async (claims) => tampered(await signed(claims))],
    ['of yesterday', changed(() => ({ iat: seconds() - 90_000, exp: seconds() - 86_400 }))],
    ['that has just expired', changed(() => ({ exp: seconds() - 31 }))],
    ['that was issued too long ago', changed(() => ({ iat: seconds() - 3600 }))],
    ['of tomorrow', changed(() => ({ iat: seconds() + 86_400, exp: seconds() + 90_000 }))],
    ['that is not valid yet', changed(() => ({ nbf: seconds() + 120 }))],
    ['without an end', without('exp')],
    ['without a beginning', without('iat')],
    ['for another client', changed(() => ({ aud: 'another' }))],
    ['for nobody', without('aud')],
    [
      'for this client and another, issued to the other',
      changed(() => ({ aud: [CLIENT_ID, 'another'], azp: 'another' })),
    ],
    ['for this client and another, issued to nobody', changed(() => ({ aud: [CLIENT_ID, 'another'] }))],
    ['for this client, issued to another', changed(() => ({ azp: 'another' }))],
    ['of another issuer', changed(() => ({ iss: 'https://evil.example' }))],
    ['of an issuer that is only like it', changed(() => ({ iss: `${issuer}/` }))],
    ['of no issuer', without('iss')],
    ['with another nonce', changed(() => ({ nonce: 'another' }))],
    ['without a nonce', without('nonce')],
    ['of nobody', without('sub')],
    ['of an empty subject', changed(() => ({ sub: '' }))],
    ['of a subject without an end', changed(() => ({ sub: 'x'.repeat(256) }))],
    ['of a subject that no database can hold', changed(() => ({ sub: 'ada\0' }))],
    ['of a session that no database can hold', changed(() => ({ sid: 'a\0' }))],
    ['that is a logout token', changed(() => ({ nonce: undefined, events: {}, jti: 'x' }))],
    ['that is none', async () => 'not a token'],
  ])('%s', async (_what, craft) => {
    make = craft;
    const page = await signIn();
    expect([page.url.pathname, page.status]).toEqual(['/console/sign-in/callback', 403]);
    expect(page.text).toContain('did not confirm who you are');
  });

  test('with the nonce of an earlier sign-in', async () => {
    const earlier = nonce;
    make = (claims) => signed({ ...claims, nonce: earlier });
    expect((await signIn()).status).toBe(403);
  });
});

describe('the keys of the provider', () => {
  test('may change: a new one is found, and the old one goes on', async () => {
    await signIn();
    await server.issuer.keys.generate('RS256', { kid: 'second' });
    make = (claims) => signed(claims, 'second');
    expect((await signIn()).status).toBe(403);
    service.clock.advance(10);
    expect((await signIn()).status).toBe(200);
    make = (claims) => signed(claims, 'first');
    expect((await signIn()).status).toBe(200);
  });

  test('are not asked for again with each made-up name', async () => {
    service.clock.advance(60);
    await signIn();
    let asked = 0;
    const count = (request: { readonly url?: string }) => {
      if (request.url?.includes('jwks')) asked += 1;
    };
    // The listener of the server that is under way.
    const { fetch: original } = globalThis;
    globalThis.fetch = (input, init) => {
      count({ url: String(input instanceof Request ? input.url : input) });
      return original(input, init);
    };
    try {
      for (let at = 0; at < 5; at += 1) {
        make = (claims) => foreign(claims, { kid: `made-up-${at}` });
        expect((await signIn()).status).toBe(403);
      }
    } finally {
      globalThis.fetch = original;
    }
    expect(asked).toBeLessThanOrEqual(1);
  });
});

describe('what the provider tells beside the ID token', () => {
  const bare = (claims: JWTPayload) => signed({ ...claims, email: undefined, email_verified: undefined });

  test('is of the same person or of nobody', async () => {
    make = bare;
    userinfo = { sub: 'somebody else', email: 'ada@acme.example', email_verified: true };
    expect((await signIn()).status).toBe(403);
    userinfo = { sub: SUBJECT, email: 'ada@acme.example', email_verified: true };
    expect((await signIn()).status).toBe(200);
  });

  test('is not verified by the ID token', async () => {
    const { id } = await service.client().members.invite({ email: 'grace@acme.example', role: 'owner' });
    make = (claims) => signed({ ...claims, sub: 'mallory', email: undefined, email_verified: true });
    userinfo = { sub: 'mallory', email: 'grace@acme.example', email_verified: false };
    expect((await signIn()).status).toBe(403);
    expect((await service.client().members.show(id)).status).toBe('invited');
  });

  test('is a no when the ID token says no, also of a provider that is trusted with addresses', async () => {
    const { id } = await service.client().members.invite({ email: 'hopper@acme.example', role: 'owner' });
    const trusting = settings({ isEmailTrusted: true, allowedDomains: ['acme.example'] });
    const node = await nodeWith(trusting);
    try {
      for (const isVerified of [false, 'false', undefined]) {
        make = (claims) => signed({ ...claims, sub: 'mallet', email: undefined, email_verified: isVerified });
        userinfo = { sub: 'mallet', email: 'hopper@acme.example' };
        expect((await signIn(node)).status).toBe(isVerified === undefined ? 200 : 403);
      }
      expect((await service.client().members.show(id)).status).toBe('active');
    } finally {
      await node.close();
    }
  });

  test('does not verify an address of the ID token', async () => {
    const { id } = await service.client().members.invite({ email: 'owner-to-be@acme.example', role: 'owner' });
    const roles = { claim: 'groups', pairs: [{ value: 'x', role: 'owner' as const }] };
    const node = await nodeWith(settings({ roles }));
    try {
      make = (claims) =>
        signed({ ...claims, sub: 'eve', email: 'owner-to-be@acme.example', email_verified: undefined });
      userinfo = { sub: 'eve', email: 'eve@evil.example', email_verified: true, groups: 'x' };
      expect((await signIn(node)).status).toBe(403);
      expect((await service.client().members.show(id)).status).toBe('invited');
    } finally {
      await node.close();
    }
  });
});

test('a provider that calls itself something else is not taken', async () => {
  const alias = settings({
    issuer: issuer.replace(/localhost|127\.0\.0\.1/, (host) => (host === 'localhost' ? '127.0.0.1' : 'localhost')),
  });
  const node = await createTestService({ oidc: alias, database: service.database, keys: service.keys });
  try {
    expect((await openBrowser(node).send('POST', '/console/sign-in', { form: {} })).status).toBe(403);
  } finally {
    await node.close();
  }
});

async function byteSigned(claims: JWTPayload, secret: string): Promise<string> {
  const header = { alg: 'HS256', kid: 'first' };
  return new SignJWT(claims).setProtectedHeader(header).sign(createSecretKey(Buffer.from(secret.padEnd(32, '\0'))));
}

async function publicKeyText(): Promise<string> {
  const { kty, n, e } = server.issuer.keys.get('first') ?? {};
  const key = await importJWK({ kty, n, e } as Parameters<typeof importJWK>[0], 'RS256');
  if (key instanceof Uint8Array) throw new Error('not a public key');
  return exportSPKI(key);
}

const FOREIGN = generateKeyPair('RS256', { extractable: true });

async function foreign(claims: JWTPayload, header: Record<string, unknown>): Promise<string> {
  const { privateKey } = await FOREIGN;
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(privateKey);
}

async function foreignJwk() {
  const { exportJWK } = await import('jose');
  return exportJWK((await FOREIGN).publicKey);
}

function tampered(token: string): string {
  const [head, body = '', signature] = token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as JWTPayload;
  const other = Buffer.from(JSON.stringify({ ...claims, sub: 'somebody else' })).toString('base64url');
  return [head, other, signature].join('.');
}
