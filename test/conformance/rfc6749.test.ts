import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import {
  basic,
  bearer,
  discover,
  makeResourceServer,
  OVER_LOOPBACK,
  postForm,
  type ResourceServer,
} from './clients.js';

let service: ListeningService;
let caller: ResourceServer;
let subject: { id: string; token: string };
let introspection: string;
let revocation: string;
beforeAll(async () => {
  service = await createListeningService();
  caller = await makeResourceServer(service);
  subject = await service.seedToken();
  introspection = `${service.url}/oauth2/introspect`;
  revocation = `${service.url}/oauth2/revoke`;
});
afterAll(() => service.close());

const percentEncoded = (text: string) =>
  [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

describe('client authentication (RFC 6749 section 2.3)', () => {
  it('takes HTTP Basic from a client that has a password (section 2.3.1)', async () => {
    const as = await discover(service.url);
    const response = await oauth.introspectionRequest(as, caller.client, caller.auth, subject.token, OVER_LOOPBACK);
    const answer = await oauth.processIntrospectionResponse(as, caller.client, response);
    expect(answer).toMatchObject({ active: true, jti: subject.id });
  });

  it('decodes both parts of Basic credentials as form values (section 2.3.1, appendix B)', async () => {
    const authorization = basic(percentEncoded(caller.id), percentEncoded(caller.token));
    const response = await postForm(introspection, { token: subject.token }, { authorization });
    expect(await response.json()).toMatchObject({ active: true });
  });

  it('takes Basic credentials that a client did not encode: they have nothing to encode (section 2.3.1)', async () => {
    const response = await postForm(introspection, { token: subject.token }, { authorization: caller.basic });
    expect(await response.json()).toMatchObject({ active: true });
  });

  it('does not care about the case of an authentication scheme (RFC 9110 section 11.1)', async () => {
    const lower = caller.basic.replace('Basic', 'bASIC');
    for (const authorization of [lower, `bEARER ${caller.token}`]) {
      const response = await postForm(introspection, { token: subject.token }, { authorization });
      expect(await response.json()).toMatchObject({ active: true });
    }
  });

  it('takes no credentials from the request URI (section 2.3.1)', async () => {
    const query = new URLSearchParams({ client_id: caller.id, client_secret: caller.token });
    const response = await postForm(`${introspection}?${query}`, { token: subject.token });
    expect(response.status).toBe(401);
  });

  it('takes no credentials from the form: that method is not offered (section 2.3.1)', async () => {
    const form = { token: subject.token, client_id: caller.id, client_secret: caller.token };
    expect((await postForm(introspection, form)).status).toBe(401);
  });

  it.each([
    ['another token’s id', () => basic(subject.id, caller.token)],
    ['no id', () => basic('', caller.token)],
    ['no secret', () => basic(caller.id, '')],
    ['no colon', () => `Basic ${Buffer.from(caller.id).toString('base64')}`],
    ['a part that is no form encoding', () => basic(`${caller.id}%`, `${caller.token}%zz`)],
    ['what is not Base64', () => 'Basic ***'],
    ['nothing at all', () => 'Basic'],
  ])('refuses Basic with %s: 401, invalid_client, the scheme that was used (section 5.2)', async (_, authorization) => {
    const response = await postForm(introspection, { token: subject.token }, { authorization: authorization() });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="[^"]+"$/);
    expect(await response.json()).toMatchObject({ error: 'invalid_client' });
  });

  it('names the Bearer scheme to who used it (section 5.2)', async () => {
    const response = await postForm(introspection, { token: subject.token }, bearer('cst_nonsense'));
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer /);
  });
});

describe('parameters (RFC 6749 section 3.2)', () => {
  const endpoints = [
    ['introspection', () => introspection],
    ['revocation', () => revocation],
  ] as const;
  const malformed = `cst_${'0'.repeat(71)}`;

  it.each(endpoints)('%s treats a parameter without a value as left out', async (_, url) => {
    const response = await postForm(url(), 'token=', bearer(caller.token));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
    const hinted = await postForm(url(), `token=${malformed}&token_type_hint=`, bearer(caller.token));
    expect(hinted.status).toBe(200);
  });

  it.each(endpoints)('%s ignores a parameter that it does not know', async (_, url) => {
    const response = await postForm(url(), `token=${malformed}&resource=x&state=y`, bearer(caller.token));
    expect(response.status).toBe(200);
  });

  it.each(endpoints)('%s refuses a parameter that is repeated', async (_, url) => {
    for (const extra of ['token=b', 'token=', `token=${malformed}`, 'token_type_hint=a&token_type_hint=b']) {
      const response = await postForm(url(), `token=${malformed}&${extra}`, bearer(caller.token));
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: 'invalid_request' });
    }
  });

  it.each(endpoints)('%s takes POST alone', async (_, url) => {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      const response = await fetch(`${url()}?token=${malformed}`, { method, headers: bearer(caller.token) });
      expect(response.status).toBe(405);
      expect(response.headers.get('allow')).toBe('POST');
    }
  });

  it.each(endpoints)('%s reads a form alone, in UTF-8 (appendix B)', async (_, url) => {
    const json = await fetch(url(), {
      method: 'POST',
      body: JSON.stringify({ token: malformed }),
      headers: { 'content-type': 'application/json', ...bearer(caller.token) },
    });
    expect(json.status).toBe(400);
    expect(await json.json()).toMatchObject({ error: 'invalid_request' });
    const withCharset = { 'content-type': 'Application/X-WWW-Form-Urlencoded; charset=UTF-8', ...bearer(caller.token) };
    expect((await postForm(url(), { token: malformed }, withCharset)).status).toBe(200);
  });
});

describe('scope (RFC 6749 section 3.3)', () => {
  it('is a list of scope-tokens with one space between them', async () => {
    const { token } = await service.seedToken({ scopes: ['repo:read', 'codex:exec'] });
    const answer = await service.client().introspect(token);
    expect(answer).toMatchObject({ scope: 'repo:read codex:exec' });
  });

  it.each(['repo: read', 'repo:"read"', 'repo:\\read', 'repo:l\u00e9s', 'repo:\u007f'])(
    'has no place for %j',
    async (scope) => {
      const response = await fetch(`${service.url}/v1/tokens`, {
        method: 'POST',
        body: JSON.stringify({ workflow: 'nightly', scopes: [scope], expires_in_days: 30 }),
        headers: { 'content-type': 'application/json', ...bearer(service.owner.printed) },
      });
      expect(response.status).toBe(422);
    },
  );
});

describe('answers that hold secrets (RFC 6749 section 5.1)', () => {
  it('are not stored by anyone: Cache-Control is no-store', async () => {
    const send = (path: string, body: object) =>
      fetch(service.url + path, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...bearer(service.owner.printed) },
      });
    const mint = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 };
    const answers = [
      await send('/v1/tokens', mint),
      await send(`/v1/tokens/${subject.id}/rotate`, {}),
      await send('/v1/members', { email: 'new@acme.example', role: 'member' }),
    ];
    for (const response of answers) {
      expect(response.status).toBe(201);
      expect(response.headers.get('content-type')).toBe('application/json');
      expect(response.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('nor are those of the OAuth endpoints, errors included', async () => {
    const answers = [
      await postForm(introspection, { token: subject.token }, bearer(caller.token)),
      await postForm(introspection, { token: subject.token }),
      await postForm(revocation, { token: 'unknown' }),
      await postForm(revocation, {}),
    ];
    expect(answers.map((response) => response.status)).toEqual([200, 401, 200, 400]);
    for (const response of answers) expect(response.headers.get('cache-control')).toBe('no-store');
  });
});

describe('errors (RFC 6749 section 5.2)', () => {
  const errors = [
    ['no token to introspect', 400, 'invalid_request', () => postForm(introspection, {}, bearer(caller.token))],
    ['no token to revoke', 400, 'invalid_request', () => postForm(revocation, {})],
    ['a bad escape', 400, 'invalid_request', () => postForm(revocation, 'token=%zz')],
    ['a body of another type', 400, 'invalid_request', () => fetch(revocation, { method: 'POST', body: 'token=a' })],
    [
      'a client that is not known',
      401,
      'invalid_client',
      () => postForm(introspection, {}, { authorization: basic('a', 'b') }),
    ],
    ['no credentials', 401, 'invalid_client', () => postForm(introspection, { token: 'a' })],
    [
      'a scope that is missing',
      403,
      'insufficient_scope',
      () => postForm(introspection, { token: caller.token }, bearer(subject.token)),
    ],
    ['a path that is not there', 404, 'invalid_request', () => postForm(`${service.url}/oauth2/"\\`, {})],
    ['a method that is not there', 405, 'invalid_request', () => fetch(introspection)],
    ['a large body to revoke', 413, 'invalid_request', () => postForm(revocation, { token: 'a'.repeat(70_000) })],
    [
      'a large body to introspect',
      413,
      'invalid_request',
      () => postForm(introspection, { token: 'a'.repeat(70_000) }, bearer(caller.token)),
    ],
  ] as const;

  it.each(errors)('%s: %i %s, in JSON, in the characters that are allowed', async (_, status, error, send) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json');
    const body: unknown = await response.json();
    expect(body).toEqual({ error, error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/) });
  });

  it('are what oauth4webapi takes them for', async () => {
    const as = await discover(service.url);
    const response = await oauth
      .introspectionRequest(as, caller.client, caller.auth, '', OVER_LOOPBACK)
      .catch(() => undefined);
    expect(response).toBeUndefined();
    const empty = await postForm(introspection, {}, bearer(caller.token));
    await expect(oauth.processIntrospectionResponse(as, caller.client, empty)).rejects.toMatchObject({
      name: 'ResponseBodyError',
      error: 'invalid_request',
      status: 400,
    });
  });
});
