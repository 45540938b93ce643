import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, parseToken, printToken } from '../../src/rules/format.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { bearer, OVER_LOOPBACK, postForm } from './clients.js';

let service: ListeningService;
let owner: string;
let me: URL;
beforeAll(async () => {
  service = await createListeningService();
  owner = service.owner.printed;
  me = new URL('/v1/me', service.url);
});
afterAll(() => service.close());

describe('how a Bearer token is sent (RFC 6750 section 2)', () => {
  it('in the Authorization header (section 2.1)', async () => {
    const response = await oauth.protectedResourceRequest(owner, 'GET', me, undefined, undefined, OVER_LOOPBACK);
    expect(response.status).toBe(200);
  });

  it('under a scheme whose case does not matter (RFC 9110 section 11.1)', async () => {
    for (const scheme of ['bearer', 'BEARER', 'bEaReR']) {
      expect((await fetch(me, { headers: { authorization: `${scheme} ${owner}` } })).status).toBe(200);
    }
  });

  it('not in a form (section 2.2 is optional)', async () => {
    const { token } = await service.seedToken();
    const response = await postForm(`${service.url}/oauth2/introspect`, { token, access_token: owner });
    expect(response.status).toBe(401);
    const mint = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 };
    const form = { ...mint, scopes: 'repo:read', expires_in_days: '30', access_token: owner };
    expect((await postForm(`${service.url}/v1/tokens`, form)).status).toBe(401);
  });

  it('not in the URI (section 2.3 is optional), and what was sent there is not logged', async () => {
    const withQuery = new URL(`?access_token=${owner}`, me);
    const response = await fetch(withQuery);
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(owner);
    expect((await fetch(withQuery, { headers: bearer(owner) })).status).toBe(422);
    expect(service.log.join('')).not.toContain(owner);
  });

  it('nor under another scheme or none', async () => {
    for (const authorization of [owner, `Token ${owner}`, `Bearer${owner}`, `DPoP ${owner}`]) {
      expect((await fetch(me, { headers: { authorization } })).status).toBe(401);
    }
  });
});

describe('the challenge (RFC 6750 section 3)', () => {
  const protectedPaths = [
    ['GET', '/v1/me'],
    ['GET', '/v1/tokens'],
    ['POST', '/v1/tokens'],
    ['POST', '/v1/revocations'],
    ['GET', '/v1/audit-events'],
    ['POST', '/v1/exec/checks'],
    ['POST', '/v1/members/accept'],
    ['POST', '/oauth2/introspect'],
  ] as const;

  it.each(protectedPaths)('%s %s sends it when no credentials came, without an error code', async (method, path) => {
    const headers = {
      'content-type': path.startsWith('/v1') ? 'application/json' : 'application/x-www-form-urlencoded',
    };
    const response = await fetch(service.url + path, method === 'GET' ? {} : { method, headers, body: '' });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="countersign"');
  });

  it.each(protectedPaths)('%s %s sends it when the token is not valid, with invalid_token', async (method, path) => {
    const type = path.startsWith('/v1') ? 'application/json' : 'application/x-www-form-urlencoded';
    const headers = { 'content-type': type, ...bearer('cst_unknown') };
    const response = await fetch(service.url + path, method === 'GET' ? { headers } : { method, headers, body: '' });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="countersign", error="invalid_token"');
  });

  it('is one that oauth4webapi can read', async () => {
    const request = oauth.protectedResourceRequest('cst_unknown', 'GET', me, undefined, undefined, OVER_LOOPBACK);
    await expect(request).rejects.toMatchObject({
      name: 'WWWAuthenticateChallengeError',
      status: 401,
      cause: [{ scheme: 'bearer', parameters: { realm: 'countersign', error: 'invalid_token' } }],
    });
  });
});

describe('error codes (RFC 6750 section 3.1)', () => {
  const challengeOf = async (token: string) =>
    (await fetch(me, { headers: bearer(token) })).headers.get('www-authenticate');
  const INVALID = 'Bearer realm="countersign", error="invalid_token"';

  it('invalid_token for a token that is malformed, unknown or forged', async () => {
    const { token } = await service.seedToken();
    const parsed = parseToken(token);
    if (parsed === undefined) throw new Error('a minted token is malformed');
    const forged = printToken({ id: parsed.id, tokenSecret: newTokenSecret() });
    const unknown = printToken({ id: newId('tok', service.clock.now()), tokenSecret: parsed.tokenSecret });
    for (const bad of ['x', `${token}x`, token.slice(0, -1), unknown, forged, `${token} ${token}`]) {
      expect(await challengeOf(bad)).toBe(INVALID);
    }
    expect(await challengeOf(token)).toBeNull();
  });

  it('invalid_token for a token that is revoked, expired or not valid yet', async () => {
    const revoked = await service.seedToken();
    await service.client().tokens.revoke(revoked.id, { reason: 'leaked' });
    expect(await challengeOf(revoked.token)).toBe(INVALID);
    const notBefore = new Date(service.clock.now().getTime() + 3_600_000).toISOString();
    const early = await service.seedToken({ not_before: notBefore });
    expect(await challengeOf(early.token)).toBe(INVALID);

    const short = await createListeningService();
    try {
      const { token } = await short.seedToken({ expires_in_days: 7 });
      const meThere = `${short.url}/v1/me`;
      short.clock.advance(7 * 86_400 - 1);
      expect((await fetch(meThere, { headers: bearer(token) })).status).toBe(200);
      short.clock.advance(1);
      expect((await fetch(meThere, { headers: bearer(token) })).headers.get('www-authenticate')).toBe(INVALID);
    } finally {
      await short.close();
    }
  });

  it('insufficient_scope with 403, and the scope that is missing', async () => {
    const { token } = await service.seedToken();
    const url = new URL('/v1/audit-events', service.url);
    const request = oauth.protectedResourceRequest(token, 'GET', url, undefined, undefined, OVER_LOOPBACK);
    await expect(request).rejects.toMatchObject({
      status: 403,
      cause: [
        { scheme: 'bearer', parameters: { realm: 'countersign', error: 'insufficient_scope', scope: 'audit:read' } },
      ],
    });
  });

  it('invalid_request is 400 and says nothing against the token', async () => {
    const response = await fetch(`${service.url}/v1/tokens`, {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json', ...bearer(owner) },
    });
    expect(response.status).toBe(400);
    expect(response.headers.has('www-authenticate')).toBe(false);
  });
});

describe('what is kept from caches (RFC 6750 section 5.3)', () => {
  it('every answer to a Bearer request is no-store', async () => {
    for (const path of ['/v1/me', '/v1/tokens', '/v1/audit-events', '/v1/nothing']) {
      const response = await fetch(service.url + path, { headers: bearer(owner) });
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });
});
