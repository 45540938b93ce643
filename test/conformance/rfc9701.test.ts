import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signingKeySet } from '../../src/http/jwt.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { makeKeys } from '../setup/service.js';
import { bearer, discover, makeResourceServer, OVER_LOOPBACK, postForm, type ResourceServer } from './clients.js';

const TYPE = 'application/token-introspection+jwt';

let service: ListeningService;
let as: oauth.AuthorizationServer;
let caller: ResourceServer;
let subject: { id: string; token: string };
beforeAll(async () => {
  service = await createListeningService();
  as = await discover(service.url);
  caller = await makeResourceServer(service);
  subject = await service.seedToken();
});
afterAll(() => service.close());

const ask = (token: string, headers: Record<string, string> = {}) =>
  postForm(`${service.url}/oauth2/introspect`, { token }, { accept: TYPE, ...bearer(caller.token), ...headers });

/** Asks with oauth4webapi for a JWT and checks its signature by the published keys. */
async function introspectSigned(token: string): Promise<oauth.IntrospectionResponse> {
  const options = { requestJwtResponse: true, ...OVER_LOOPBACK };
  const response = await oauth.introspectionRequest(as, caller.client, caller.auth, token, options);
  expect(response.headers.get('content-type')).toBe(TYPE);
  const answer = await oauth.processIntrospectionResponse(as, caller.client, response);
  await oauth.validateApplicationLevelSignature(as, response, OVER_LOOPBACK);
  return answer;
}

describe('clients of the field', () => {
  it('oauth4webapi takes the JWT and its signature (RFC 9701 section 5)', async () => {
    expect(await introspectSigned(subject.token)).toMatchObject({ active: true, jti: subject.id });
  });

  it('openid-client takes the JWT and its signature (RFC 9701 section 5)', async () => {
    const metadata = { introspection_signed_response_alg: 'EdDSA' };
    const auth = openid.ClientSecretBasic(caller.token);
    const config = await openid.discovery(new URL(service.url), caller.id, metadata, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests, openid.enableNonRepudiationChecks],
    });
    expect(await openid.tokenIntrospection(config, subject.token)).toMatchObject({ active: true, jti: subject.id });
  });

  it('jose verifies it by type, issuer and audience (RFC 9701 section 8.1)', async () => {
    const keys = createRemoteJWKSet(new URL(as.jwks_uri ?? ''));
    const checks = { typ: 'token-introspection+jwt', issuer: service.url, audience: caller.id };
    const { payload } = await jwtVerify(await (await ask(subject.token)).text(), keys, checks);
    expect(payload['token_introspection']).toMatchObject({ active: true });
    await expect(
      jwtVerify(await (await ask(subject.token)).text(), keys, { ...checks, audience: subject.id }),
    ).rejects.toThrow();
  });
});

describe('the request (RFC 9701 section 4)', () => {
  it.each([TYPE, 'Application/Token-Introspection+JWT', `${TYPE};q=0.9, application/json;q=0.5`])(
    'asks for a JWT by Accept: %s',
    async (accept) => {
      expect((await ask(subject.token, { accept })).headers.get('content-type')).toBe(TYPE);
    },
  );

  it.each(['application/json', '*/*', `application/json, ${TYPE};q=0`, `application/json, ${TYPE};q=0.1`])(
    'gets plain JSON otherwise: %s (RFC 9110 section 12.5.1)',
    async (accept) => {
      const response = await ask(subject.token, { accept });
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(await response.json()).toMatchObject({ active: true });
    },
  );
});

describe('the answer (RFC 9701 section 5)', () => {
  it('has 200 and the media type of its own', async () => {
    const response = await ask(subject.token);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(TYPE);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('has typ token-introspection+jwt, and a signature by a published key', async () => {
    const header = decodeProtectedHeader(await (await ask(subject.token)).text());
    expect(header).toEqual({ alg: 'EdDSA', kid: expect.any(String), typ: 'token-introspection+jwt' });
    const { keys } = (await (await fetch(as.jwks_uri ?? '')).json()) as { keys: { kid: string; alg: string }[] };
    expect(keys.find(({ kid }) => kid === header.kid)).toMatchObject({ alg: header.alg });
  });

  it('claims iss, aud, iat and token_introspection, and nothing beside them: no sub, no exp', async () => {
    const claims = decodeJwt(await (await ask(subject.token)).text());
    expect(claims).toEqual({
      iss: service.url,
      aud: caller.id,
      iat: Math.floor(service.clock.now().getTime() / 1000),
      token_introspection: expect.objectContaining({ active: true, jti: subject.id }),
    });
  });

  it('says the same in token_introspection as the plain answer does (RFC 7662 section 2.2)', async () => {
    const plain = await (await ask(subject.token, { accept: 'application/json' })).json();
    expect(decodeJwt(await (await ask(subject.token)).text())['token_introspection']).toEqual(plain);
  });

  it('is for the resource server that asked, whichever way it authenticated', async () => {
    const other = await makeResourceServer(service);
    for (const headers of [bearer(other.token), { authorization: other.basic }]) {
      expect(decodeJwt(await (await ask(subject.token, headers)).text()).aud).toBe(other.id);
    }
  });

  it('holds nothing but active for a token that is not', async () => {
    const { id, token } = await service.seedToken();
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    expect(await introspectSigned(token)).toEqual({ active: false });
    expect(await introspectSigned('unknown')).toEqual({ active: false });
  });

  it('is an error in JSON for a caller that is not authenticated or may not ask', async () => {
    const { token } = await service.seedToken();
    const answers = [await ask(subject.token, { authorization: 'Bearer x' }), await ask(subject.token, bearer(token))];
    expect(answers.map((response) => response.status)).toEqual([401, 403]);
    for (const response of answers) {
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(await response.json()).toHaveProperty('error');
    }
  });

  it('cannot be taken for an access token (section 8.1)', async () => {
    const jwt = await (await ask(subject.token)).text();
    expect((await fetch(`${service.url}/v1/me`, { headers: bearer(jwt) })).status).toBe(401);
    expect(await (await ask(jwt, { accept: 'application/json' })).json()).toEqual({ active: false });
  });
});

describe('the metadata (RFC 9701 section 7)', () => {
  it('names the algorithm that answers are signed with, and never none', async () => {
    const { alg } = decodeProtectedHeader(await (await ask(subject.token)).text());
    expect(as['introspection_signing_alg_values_supported']).toEqual([alg]);
  });

  it('follows the current key: P-256 signs with ES256, the key before it stays published', async () => {
    const before = await makeKeys();
    const [old] = before.signingKeys.keys;
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const signingKeys = signingKeySet.parse({ keys: [await exportJWK(privateKey), old] });
    const rotated = await createListeningService({ keys: { ...before, signingKeys } });
    try {
      const metadata = await discover(rotated.url);
      expect(metadata['introspection_signing_alg_values_supported']).toEqual(['ES256']);
      const asker = await makeResourceServer(rotated);
      const options = { requestJwtResponse: true, ...OVER_LOOPBACK };
      const response = await oauth.introspectionRequest(metadata, asker.client, asker.auth, asker.token, options);
      const answer = await oauth.processIntrospectionResponse(metadata, asker.client, response);
      await oauth.validateApplicationLevelSignature(metadata, response, OVER_LOOPBACK);
      expect(answer).toMatchObject({ active: true, jti: asker.id });
      const { keys } = (await (await fetch(metadata.jwks_uri ?? '')).json()) as { keys: { alg: string }[] };
      expect(keys.map(({ alg }) => alg)).toEqual(['ES256', 'EdDSA']);
    } finally {
      await rotated.close();
    }
  });
});
