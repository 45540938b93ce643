import {
  isAllowedAddress,
  isProviderName,
  mappedRole,
  type PersonClaims,
  type ProviderSettings,
  verifiedAddress,
} from '../rules/sign-in.js';
import type { Person } from '../store/sign-ins.js';
import { line } from '../wire/primitives.js';
import { type LogoutToken, readLogoutToken } from './logout-token.js';
import { createProviderKeys, KeysUnreachableError, type ProviderKeys } from './provider-keys.js';

/** The OpenID provider as the service uses it. It is found at first use, and looked for again after a failure. */
export interface Provider {
  readonly settings: ProviderSettings;
  /** Where a browser signs in, and what must be kept until it comes back. `redirectUri` is where it comes back to. */
  begin(redirectUri: string, now: Date): Promise<Told<Begun>>;
  /** Who came back: `callback` is the address that the provider led to. OpenID Connect Core 1.0 section 3.1. */
  finish(callback: URL, kept: Kept, now: Date): Promise<Told<Person>>;
  /** Reads a logout token. OpenID Connect Back-Channel Logout 1.0 section 2.6. */
  readLogoutToken(token: string, now: Date): Promise<Told<LogoutToken>>;
  /** Finds the provider and reads its keys. Gives how many there are. */
  examine(now: Date): Promise<Told<number>>;
}

/** What a browser carries, sealed, while it is at the provider. */
export interface Kept {
  readonly state: string;
  readonly nonce: string;
  readonly pkceVerifier: string;
}

export interface Begun {
  readonly url: URL;
  readonly kept: Kept;
}

/** What the provider gave, or why not. `reason` is for the log. */
export type Told<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly isAway: boolean; readonly reason: string };

type OpenIdClient = typeof import('openid-client');

interface Found {
  readonly client: OpenIdClient;
  readonly server: ReturnType<InstanceType<OpenIdClient['Configuration']>['serverMetadata']>;
  readonly at: Date;
}

const TIMEOUT_SECONDS = 10;
/** How long what was discovered is taken as it is. */
const FRESH_SECONDS = 3600;
const MAX_KEYS_LENGTH = 256 * 1024;
const MAX_SUBJECT = 255;

/** Makes the provider of the settings. Nothing is asked before the first sign-in. */
export function createProvider(settings: ProviderSettings): Provider {
  let found: Found | undefined;
  let finding: Promise<Found> | undefined;
  const keys = createProviderKeys(async () => fetchKeys(settings, found));

  async function discover(now: Date): Promise<Found> {
    if (found !== undefined && now.getTime() - found.at.getTime() < FRESH_SECONDS * 1000) return found;
    // One search is under way at a time, however many want to sign in.
    finding ??= find(settings, now).finally(() => {
      finding = undefined;
    });
    try {
      found = await finding;
    } catch (error) {
      if (found === undefined) throw error;
    }
    return found;
  }

  return {
    settings,
    begin: (redirectUri, now) =>
      told(async () => {
        const known = await discover(now);
        const { client } = known;
        const kept = {
          state: client.randomState(),
          nonce: client.randomNonce(),
          pkceVerifier: client.randomPKCECodeVerifier(),
        };
        const url = client.buildAuthorizationUrl(configurationOf(settings, known, now), {
          redirect_uri: redirectUri,
          scope: scopesOf(settings, known),
          state: kept.state,
          nonce: kept.nonce,
          code_challenge: await client.calculatePKCECodeChallenge(kept.pkceVerifier),
          code_challenge_method: 'S256',
        });
        return { url, kept };
      }),
    finish: (callback, kept, now) =>
      told(async () => identify(settings, await discover(now), keys, { callback, kept, now })),
    readLogoutToken: (token, now) =>
      told(async () => {
        const { server } = await discover(now);
        const expected = { issuer: server.issuer, audience: settings.clientId, claims: ['jti', 'events'] };
        return readLogoutToken(await keys.verify(token, expected, now), server.issuer);
      }),
    examine: (now) =>
      told(async () => {
        await discover(now);
        return keys.count(now);
      }),
  };
}

async function find(settings: ProviderSettings, now: Date): Promise<Found> {
  const client = await import('openid-client');
  const options = { timeout: TIMEOUT_SECONDS, execute: isPlain(settings) ? [client.allowInsecureRequests] : [] };
  const configuration = await client.discovery(
    new URL(settings.issuer),
    settings.clientId,
    undefined,
    client.None(),
    options,
  );
  const server = configuration.serverMetadata();
  // For some providers the library takes an issuer that is only like the one asked for.
  if (new URL(server.issuer).href !== new URL(settings.issuer).href) {
    throw new TypeError(`the provider calls itself ${server.issuer}`);
  }
  return { client, server, at: now };
}

/** The library's view of the provider at an instant: it has a clock of its own, which is set to the service's. */
function configurationOf(settings: ProviderSettings, { client, server }: Found, now: Date) {
  const { clientId, clientSecret } = settings;
  const metadata = { [client.clockSkew]: Math.round((now.getTime() - Date.now()) / 1000) };
  const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const isBasic = methods.includes('client_secret_basic');
  const authentication =
    clientSecret === undefined
      ? client.None()
      : isBasic
        ? client.ClientSecretBasic(clientSecret)
        : client.ClientSecretPost(clientSecret);
  const configuration = new client.Configuration(server, clientId, metadata, authentication);
  configuration.timeout = TIMEOUT_SECONDS;
  if (isPlain(settings)) client.allowInsecureRequests(configuration);
  return configuration;
}

/** What is asked for. A provider that has a scope of the role claim's name gives it only for that. */
function scopesOf({ roles }: ProviderSettings, { server }: Found): string {
  const isScope = roles !== undefined && server.scopes_supported?.includes(roles.claim) === true;
  return ['openid', 'email', 'profile', ...(isScope ? [roles.claim] : [])].join(' ');
}

interface Return {
  readonly callback: URL;
  readonly kept: Kept;
  readonly now: Date;
}

/** Redeems the code and reads who it is for. The library compares state, issuer (RFC 9207), nonce and the claims of the ID
 *  token; its signature is verified here, by keys that are kept between sign-ins. */
async function identify(
  settings: ProviderSettings,
  known: Found,
  keys: ProviderKeys,
  { callback, kept, now }: Return,
): Promise<Person> {
  const { client, server } = known;
  const configuration = configurationOf(settings, known, now);
  const tokens = await client.authorizationCodeGrant(configuration, callback, {
    expectedState: kept.state,
    expectedNonce: kept.nonce,
    pkceCodeVerifier: kept.pkceVerifier,
    idTokenExpected: true,
  });
  const expected = { issuer: server.issuer, audience: settings.clientId, claims: ['sub', 'exp', 'nonce'] };
  const { payload } = await keys.verify(tokens.id_token ?? '', expected, now);
  const { sub: subject, azp, sid, iat } = payload;
  if (!isProviderName(subject) || subject.length > MAX_SUBJECT) throw new TypeError('no subject');
  if (sid !== undefined && !isProviderName(sid)) throw new TypeError('a session that cannot be named');
  if (azp !== undefined && azp !== settings.clientId) throw new TypeError('the ID token was issued to another client');
  const isShort = payload['email'] === undefined || lacksRole(settings, payload);
  const more: PersonClaims =
    isShort && server.userinfo_endpoint !== undefined
      ? await client.fetchUserInfo(configuration, tokens.access_token, subject)
      : {};
  // An address and whether it is verified are one statement: no half of it comes from elsewhere.
  const said: PersonClaims = payload['email'] === undefined ? more : payload;
  const { email, email_verified } = said;
  const claims: PersonClaims = { ...more, ...payload, email, email_verified };
  // A no of either is one, also where silence would do.
  const isSilent = [more, payload].every((one: PersonClaims) => one['email_verified'] === undefined);
  const address = verifiedAddress(claims, settings.isEmailTrusted && isSilent);
  return {
    issuer: server.issuer,
    subject,
    address: address !== undefined && isAllowedAddress(address, settings.allowedDomains) ? address : undefined,
    name: line(100).safeParse(claims['name']).data,
    sid,
    provenAt: iat === undefined ? now : new Date(iat * 1000),
    role: settings.roles && mappedRole(claims, settings.roles),
  };
}

function lacksRole({ roles }: ProviderSettings, claims: PersonClaims): boolean {
  return roles !== undefined && !Object.hasOwn(claims, roles.claim);
}

async function fetchKeys(settings: ProviderSettings, found: Found | undefined): Promise<unknown> {
  const url = new URL(found?.server.jwks_uri ?? '');
  if (url.protocol !== 'https:' && !isPlain(settings)) throw new TypeError('the keys of the provider are not at https');
  const signal = AbortSignal.timeout(TIMEOUT_SECONDS * 1000);
  const response = await fetch(url, { redirect: 'error', signal, headers: { accept: 'application/json' } });
  const text = response.ok ? await response.text() : undefined;
  if (text === undefined || text.length > MAX_KEYS_LENGTH) throw new Error(`the keys came with ${response.status}`);
  return JSON.parse(text);
}

/** Only a provider on this machine may go without TLS. */
function isPlain({ issuer }: ProviderSettings): boolean {
  return issuer.startsWith('http:');
}

async function told<T>(ask: () => Promise<T>): Promise<Told<T>> {
  try {
    return { ok: true, value: await ask() };
  } catch (error) {
    return { ok: false, isAway: isAway(error), reason: reasonOf(error) };
  }
}

const AWAY_CODES: ReadonlySet<unknown> = new Set(['OAUTH_TIMEOUT', 'OAUTH_RESPONSE_IS_NOT_JSON']);

/** Whether the provider cannot be asked, rather than has said no. */
function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof KeysUnreachableError || error.message === 'fetch failed') return true;
  if ('status' in error && typeof error.status === 'number') return error.status >= 500;
  return ('code' in error && AWAY_CODES.has(error.code)) || isNotConform(error);
}

function isNotConform(error: Error): boolean {
  return 'code' in error && error.code === 'OAUTH_RESPONSE_IS_NOT_CONFORM';
}

/** What went wrong, in the library's words alone: what it carries beside them may hold a token. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const code = 'code' in error ? ` (${String(error.code)})` : '';
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const said = 'error' in error && typeof error.error === 'string' ? ` [${error.error.slice(0, 64)}]` : '';
  return `${error.message}${code}${said}${cause}`;
}
