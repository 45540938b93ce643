import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openApiDocument } from '../../src/wire/openapi.js';
import { problemKinds, problemSlug } from '../../src/wire/problems.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const get = (path: string, headers: Record<string, string> = {}) =>
  send(service, 'GET', path, { token: null, headers });

describe('probes', () => {
  it('/healthz says that the process is up, and asks nobody', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
  });

  it('/readyz says that the database is reached and its migrations are current', async () => {
    expect(await get('/readyz')).toMatchObject({
      status: 200,
      body: { status: 'ok', database: 'ok', migrations: 'current' },
    });
  });

  it('/readyz is 503 while a migration is missing', async () => {
    const behind = await createTestService();
    try {
      await behind.db.sql`delete from drizzle.__drizzle_migrations`;
      const answer = await send(behind, 'GET', '/readyz', { token: null });
      expect(answer).toMatchObject({
        status: 503,
        body: { status: 'unavailable', database: 'ok', migrations: 'behind' },
      });
      expect(answer.headers.get('retry-after')).toBe('1');
    } finally {
      await behind.close();
    }
  });
});

describe('pages', () => {
  it('/openapi.json is the document of this service', async () => {
    const { status, headers, text } = await get('/openapi.json');
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(openApiDocument(ISSUER))));
  });

  it('/docs loads nothing and runs nothing', async () => {
    const { status, headers, text } = await get('/docs');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(text).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|javascript:/i);
  });

  it.each(problemKinds())('the type of %s is the address of a page about it', async (kind) => {
    const { status, headers, text } = await get(`/problems/${problemSlug(kind)}`);
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    // Under `no-referrer` the forms of a page would be sent with `Origin: null`.
    expect(headers.get('referrer-policy')).toBe('same-origin');
    expect(text).toMatch(/^<!doctype html>/);
  });

  it.each(['nothing', '__proto__', 'constructor', 'not_found', '%3Cscript%3E', '%00'])(
    '/problems/%s is not found',
    async (kind) => {
      const { status, headers } = await get(`/problems/${kind}`);
      expect([status, headers.get('content-type')]).toEqual([404, 'application/problem+json']);
    },
  );
});

describe('discovery', () => {
  it('the metadata names the endpoints that are there (RFC 8414 section 2)', async () => {
    const { status, body } = await get('/.well-known/oauth-authorization-server');
    expect([status, body['issuer']]).toEqual([200, ISSUER]);
    const endpoints = Object.entries(body).filter(([name]) => /_endpoint$|_uri$|_documentation$/.test(name));
    expect(endpoints.length).toBeGreaterThanOrEqual(4);
    for (const [, url] of endpoints) {
      expect(String(url).startsWith(`${ISSUER}/`)).toBe(true);
      const { status: found } = await send(service, 'GET', String(url), { token: null });
      expect([200, 405]).toContain(found);
    }
  });

  it('the key set shows public halves alone (RFC 7517)', async () => {
    const { body } = await get('/.well-known/jwks.json');
    expect(body).toEqual({
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: expect.any(String), kid: expect.any(String), alg: 'EdDSA', use: 'sig' }],
    });
  });
});
