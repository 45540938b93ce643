import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { ClientCredentials } from 'simple-oauth2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { bearer, discover, OVER_LOOPBACK, postForm } from './clients.js';

let service: ListeningService;
let endpoint: string;
let subject: { id: string; token: string };
beforeAll(async () => {
  service = await createListeningService();
  endpoint = `${service.url}/oauth2/revoke`;
});
beforeEach(async () => {
  subject = await service.seedToken();
});
afterAll(() => service.close());

const isActive = async (token: string) => (await service.client().introspect(token)).active;

describe('clients of the field', () => {
  it('oauth4webapi revokes a token (RFC 7009 section 2)', async () => {
    const as = await discover(service.url);
    const client = { client_id: subject.id };
    const response = await oauth.revocationRequest(as, client, oauth.None(), subject.token, OVER_LOOPBACK);
    await oauth.processRevocationResponse(response);
    expect(await isActive(subject.token)).toBe(false);
  });

  it('openid-client revokes a token (RFC 7009 section 2)', async () => {
    const config = await openid.discovery(new URL(service.url), subject.id, undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    await openid.tokenRevocation(config, subject.token, { token_type_hint: 'access_token' });
    expect(await isActive(subject.token)).toBe(false);
  });

  it.each(['header', 'body'] as const)(
    'simple-oauth2 revokes a token, its client credentials in the %s',
    async (way) => {
      const client = new ClientCredentials({
        client: { id: subject.id, secret: subject.token },
        auth: { tokenHost: service.url, revokePath: '/oauth2/revoke' },
        // Its own default takes an answer without content for an error (section 2.2 has none).
        http: { json: true },
        options: { authorizationMethod: way },
      });
      await client.createToken({ access_token: subject.token }).revoke('access_token');
      expect(await isActive(subject.token)).toBe(false);
    },
  );
});

describe('the request (RFC 7009 section 2.1)', () => {
  it('needs nothing but the token in a form', async () => {
    expect((await postForm(endpoint, { token: subject.token })).status).toBe(200);
    expect(await isActive(subject.token)).toBe(false);
  });

  it('is refused as invalid_request without a token', async () => {
    const as = await discover(service.url);
    const response = await postForm(as.revocation_endpoint ?? '', {});
    await expect(oauth.processRevocationResponse(response)).rejects.toMatchObject({
      error: 'invalid_request',
      status: 400,
    });
  });

  it.each(['access_token', 'refresh_token', 'urn:example:unheard-of'])(
    'finds the token whatever the hint: %s',
    async (hint) => {
      const response = await postForm(endpoint, { token: subject.token, token_type_hint: hint });
      expect(response.status).toBe(200);
      expect(await isActive(subject.token)).toBe(false);
    },
  );

  it('takes effect at once: the next use is refused', async () => {
    const me = `${service.url}/v1/me`;
    expect((await fetch(me, { headers: bearer(subject.token) })).status).toBe(200);
    await postForm(endpoint, { token: subject.token });
    expect((await fetch(me, { headers: bearer(subject.token) })).status).toBe(401);
  });

  it('takes the token from the form alone, never from the URI', async () => {
    const response = await postForm(`${endpoint}?token=${subject.token}`, {});
    expect(response.status).toBe(400);
    expect(await isActive(subject.token)).toBe(true);
    expect((await fetch(`${endpoint}?token=${subject.token}&callback=f`)).status).toBe(405);
    expect(service.log.join('')).not.toContain(subject.token);
  });

  it('is not held up by client credentials that nobody asked for', async () => {
    const authorization = `Basic ${Buffer.from('a:b').toString('base64')}`;
    expect((await postForm(endpoint, { token: subject.token }, { authorization })).status).toBe(200);
    expect(await isActive(subject.token)).toBe(false);
  });

  it('ends this token alone: a successor of it lives on', async () => {
    const successor = await service.client().tokens.rotate(subject.id, {});
    await postForm(endpoint, { token: subject.token });
    expect(await isActive(subject.token)).toBe(false);
    expect(await isActive(successor.token)).toBe(true);
  });
});

describe('the answer (RFC 7009 section 2.2)', () => {
  it('is 200 without content', async () => {
    const response = await postForm(endpoint, { token: subject.token });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
  });

  it('is the same for a token that is not valid: it is what the client wanted', async () => {
    const shown = async (token: string) => {
      const response = await postForm(endpoint, { token });
      const headers = Object.fromEntries(
        [...response.headers].filter(([name]) => name !== 'x-request-id' && name !== 'date'),
      );
      return { status: response.status, headers, body: await response.text() };
    };
    const unknown = printToken({ id: newId('tok', service.clock.now()), tokenSecret: newTokenSecret() });
    const first = await shown(subject.token);
    expect(first.status).toBe(200);
    for (const token of [subject.token, unknown, 'no token at all', '\u{1f512}']) {
      expect(await shown(token)).toEqual(first);
    }
  });

  it('is not an unsupported_token_type: every hint is taken (section 2.2.1)', async () => {
    const response = await postForm(endpoint, { token: 'unknown', token_type_hint: 'refresh_token' });
    expect(response.status).toBe(200);
  });
});
