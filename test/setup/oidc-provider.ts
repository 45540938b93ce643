import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import type { ProviderSettings } from '../../src/rules/sign-in.js';
import type { Browser, Visit } from './browser.js';

export const CLIENT_ID = 'countersign';
export const CLIENT_SECRET = 'a secret of the tests, of the length that the provider wants';

/** The people at a provider: their claims by their subject. */
export type People = Record<string, Record<string, unknown>>;

/** An OpenID provider of the field on a port of this machine. */
export interface RunningProvider {
  readonly issuer: string;
  /** What the service is configured with. */
  settings(more?: Partial<ProviderSettings>): ProviderSettings;
  /** May be changed while it runs. */
  readonly people: People;
  stop(): Promise<void>;
}

export interface ProviderOptions {
  readonly people: People;
  /** Where the service under test has its pages. */
  readonly pages: string;
  /** Where it listens (default: a free port). */
  readonly port?: number;
  /** Carries the provider's own calls to the service. */
  readonly fetch?: (url: URL | string, options: RequestInit) => Promise<Response>;
}

/** Starts oidc-provider with its pages for development: any name signs in with any password. */
export async function startOidcProvider({
  people,
  pages,
  port = 0,
  fetch: call,
}: ProviderOptions): Promise<RunningProvider> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'the-one' };
  const server = createServer();
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = await withoutAdvice(async () => {
    const { default: Provider } = await import('oidc-provider');
    return new Provider(issuer, {
      clients: [
        {
          client_id: CLIENT_ID,
          client_secret: CLIENT_SECRET,
          redirect_uris: [`${pages}/console/sign-in/callback`],
          backchannel_logout_uri: `${pages}/console/backchannel-logout`,
          backchannel_logout_session_required: true,
        },
      ],
      jwks: { keys: [jwk] },
      cookies: { keys: ['for the tests'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
      features: { backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true, ...LOGOUT_PAGES } },
      findAccount: async (_context, id) =>
        id in people ? { accountId: id, claims: async () => ({ sub: id, ...people[id] }) } : undefined,
      ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
      ...(call === undefined ? {} : { fetch: call }),
    });
  });
  server.on('request', provider.callback());
  return {
    issuer,
    people,
    settings: (more = {}) => ({
      issuer,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      allowedDomains: [],
      isEmailTrusted: false,
      workspace: undefined,
      roles: undefined,
      ...more,
    }),
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Pages of its own, without advice to replace them. */
const LOGOUT_PAGES = {
  logoutSource: async (context: { body: string }, form: string) => {
    context.body = form;
  },
  postLogoutSuccessSource: async (context: { body: string }) => {
    context.body = 'signed out';
  },
};

/** Begins a sign-in on the service's page and goes through the provider's as `who`, up to where the service answers. */
export async function signInAs(
  browser: Browser,
  who: string,
  query = '',
  until?: (page: Visit) => boolean,
): Promise<Visit> {
  const page = await browser.open(`/console/sign-in${query}`);
  let here = await browser.submit(page, {}, '/console/sign-in');
  if (here.text.includes('name="login"')) here = await browser.submit(here, { login: who, password: 'any' });
  if (here.text.includes('value="consent"')) {
    here = until === undefined ? await browser.submit(here) : await consentUntil(browser, here, until);
  }
  return here;
}

async function consentUntil(browser: Browser, page: Visit, until: (page: Visit) => boolean): Promise<Visit> {
  const [, action = ''] = /<form[^>]* action="([^"]*)"/.exec(page.text) ?? [];
  const sent = await browser.send('POST', new URL(action, page.url), { form: { prompt: 'consent' } });
  return browser.follow(sent, until);
}

// It advises about its settings for production on the console of whoever starts it.
async function withoutAdvice<T>(make: () => Promise<T>): Promise<T> {
  const { info, warn } = console;
  console.info = () => undefined;
  console.warn = () => undefined;
  try {
    return await make();
  } finally {
    Object.assign(console, { info, warn });
  }
}
