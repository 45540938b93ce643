import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../../src/config.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { createTestService, ISSUER } from '../setup/service.js';
import { discover } from './clients.js';

const WELL_KNOWN = '/.well-known/oauth-authorization-server';

let service: ListeningService;
let metadata: Record<string, unknown>;
beforeAll(async () => {
  service = await createListeningService();
  metadata = (await (await fetch(service.url + WELL_KNOWN)).json()) as Record<string, unknown>;
});
afterAll(() => service.close());

describe('clients of the field', () => {
  it('oauth4webapi discovers the service (RFC 8414 section 3)', async () => {
    expect(await discover(service.url)).toMatchObject({
      issuer: service.url,
      introspection_endpoint: `${service.url}/oauth2/introspect`,
      revocation_endpoint: `${service.url}/oauth2/revoke`,
    });
  });

  it('openid-client discovers the service (RFC 8414 section 3)', async () => {
    const config = await openid.discovery(new URL(service.url), 'any', undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    expect(config.serverMetadata()).toMatchObject({ issuer: service.url });
  });
});

describe('the metadata (RFC 8414 section 2)', () => {
  it.each([
    'http://countersign.example',
    'https://countersign.example/?a=b',
    'https://countersign.example/#a',
    'countersign.example',
  ])('has an issuer that is an https URL without query and fragment: %s does not start', (issuer) => {
    expect(() => readConfig({ COUNTERSIGN_ISSUER: issuer })).toThrow(ConfigError);
  });

  it.each(['https://countersign.example?', 'https://countersign.example#'])(
    'nor has it an empty query or fragment: %s does not start',
    (issuer) => {
      expect(() => readConfig({ COUNTERSIGN_ISSUER: issuer })).toThrow(ConfigError);
    },
  );

  it('names endpoints that are there, below the issuer', async () => {
    const named = Object.entries(metadata).filter(([name]) => /_(endpoint|uri|documentation)$/.test(name));
    expect(named.map(([name]) => name).sort()).toEqual([
      'device_authorization_endpoint',
      'introspection_endpoint',
      'jwks_uri',
      'revocation_endpoint',
      'service_documentation',
      'token_endpoint',
    ]);
    for (const [, url] of named) {
      expect(String(url).startsWith(`${service.url}/`)).toBe(true);
      expect((await fetch(String(url))).status).not.toBe(404);
    }
  });

  it('says how to authenticate at each endpoint', () => {
    expect(metadata).toMatchObject({
      introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'Bearer', 'DPoP'],
      revocation_endpoint_auth_methods_supported: ['none'],
      token_endpoint_auth_methods_supported: ['none'],
    });
  });

  it('promises the grants that are there and no response type', () => {
    expect(metadata['grant_types_supported']).toContain('urn:ietf:params:oauth:grant-type:device_code');
    expect(metadata).toMatchObject({ response_types_supported: [] });
    expect(metadata).not.toHaveProperty('authorization_endpoint');
  });

  it('names the types of authorization details (RFC 9396 section 10)', () => {
    expect(metadata).toMatchObject({ authorization_details_types_supported: ['agent_exec'] });
  });

  it('leads to public keys that say what they are for, and to no private ones (RFC 7517 sections 4 and 5)', async () => {
    const response = await fetch(String(metadata['jwks_uri']));
    expect(response.headers.get('content-type')).toBe('application/json');
    const { keys } = (await response.json()) as { keys: Record<string, unknown>[] };
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(key).toMatchObject({ kty: expect.any(String), kid: expect.any(String), use: 'sig' });
      for (const secret of ['d', 'p', 'q', 'k']) expect(key).not.toHaveProperty(secret);
    }
  });
});

describe('where it is (RFC 8414 section 3)', () => {
  it('at the well-known path, by GET, with no credentials (section 3.1)', async () => {
    expect((await fetch(service.url + WELL_KNOWN)).status).toBe(200);
    expect((await fetch(service.url + WELL_KNOWN, { method: 'POST' })).status).toBe(405);
  });

  it('as application/json with 200 (section 3.2)', async () => {
    const response = await fetch(service.url + WELL_KNOWN, { headers: { accept: 'text/html' } });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
  });

  it('with an issuer identical to the one it was found by (section 3.3)', () => {
    expect(metadata['issuer']).toBe(service.url);
  });

  it('behind the well-known string when the issuer has a path (section 3.1)', async () => {
    const issuer = `${ISSUER}/tenants/acme`;
    const behindProxy = await createTestService({ issuer: () => issuer });
    try {
      const response = await oauth.discoveryRequest(new URL(issuer), {
        algorithm: 'oauth2',
        [oauth.customFetch]: (url, { method, headers }) => behindProxy.fetch(url, { method, headers }),
      });
      expect(await oauth.processDiscoveryResponse(new URL(issuer), response)).toMatchObject({
        issuer,
        introspection_endpoint: `${issuer}/oauth2/introspect`,
        jwks_uri: `${issuer}/.well-known/jwks.json`,
      });
      for (const other of ['/tenants', '/tenants/acme/x', '/tenants/acme/', '/other']) {
        expect((await behindProxy.fetch(ISSUER + WELL_KNOWN + other)).status).toBe(404);
      }
      // A proxy that takes the path off everywhere reaches the same document.
      expect((await behindProxy.fetch(ISSUER + WELL_KNOWN)).status).toBe(200);
    } finally {
      await behindProxy.close();
    }
  });

  it('nowhere else when the issuer has none (section 3.1)', async () => {
    for (const other of ['/', '/acme']) expect((await fetch(service.url + WELL_KNOWN + other)).status).toBe(404);
  });
});
