import { connect as dial, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operations } from '../../src/wire/openapi.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { type Answered, type Sending, send } from '../setup/request.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
});
afterAll(() => service.close());

const KIB64 = 65_536;

/** Holds for every refusal: its form, its members and its headers. */
function expectProblem(answer: Answered, status: number, path: string): void {
  expect(answer.status).toBe(status);
  expect(answer.headers.get('x-request-id')).toMatch(/^[A-Za-z0-9._-]{1,64}$/);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  if (path.startsWith('/oauth2/')) {
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.body).toEqual({ error: expect.stringMatching(/^[a-z_]+$/), error_description: expect.any(String) });
    return;
  }
  if (path.startsWith('/scim/')) {
    expect(answer.headers.get('content-type')).toBe('application/scim+json');
    const schemas = ['urn:ietf:params:scim:api:messages:2.0:Error'];
    expect(answer.body).toEqual({ schemas, status: String(status), detail: expect.any(String) });
    return;
  }
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect(answer.body).toEqual({
    type: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/problems\/[a-z-]+$/),
    title: expect.any(String),
    status,
    detail: expect.any(String),
    instance: expect.stringMatching(/^\//),
    ...(status === 422
      ? { errors: expect.arrayContaining([{ pointer: expect.stringMatching(/^#/), detail: expect.any(String) }]) }
      : {}),
    ...(status === 409 ? { code: expect.any(String) } : {}),
  });
  if (status === 401) expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="countersign"/);
}

async function refused(status: number, method: string, path: string, sending: Sending = {}): Promise<Answered> {
  const answer = await send(service, method, path, sending);
  expectProblem(answer, status, path.split('?')[0] ?? '');
  return answer;
}

const put = (
  body: Sending['body'],
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Sending => ({
  ...(body === undefined ? {} : { body }),
  headers,
});
const PUT_PATH = '/v1/workflows/body';

describe('a JSON body', () => {
  it.each([
    '{',
    '{]',
    "{'a':1}",
    '{"a":1,}',
    'undefined',
    'NaN',
    '{"a":1}{"b":2}',
    '\u0000',
    '{"description":"\u0001"}',
    ' ',
  ])('that is malformed is 400: %j', async (body) => {
    await refused(400, 'PUT', PUT_PATH, put(body));
    await refused(400, 'POST', '/v1/exec/checks', put(body));
  });

  it.each([
    [[0xff, 0xfe]],
    [[0x7b, 0x22, 0x61, 0x22, 0x3a, 0x22, 0xc3, 0x28, 0x22, 0x7d]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
  ])('that is not UTF-8 is 400: %j', async (bytes) => {
    await refused(400, 'PUT', PUT_PATH, put(new Uint8Array(bytes)));
    await refused(400, 'POST', '/v1/exec/checks', put(new Uint8Array(bytes)));
  });

  it('that is empty is 400, and 415 without a type', async () => {
    await refused(400, 'PUT', PUT_PATH, put(''));
    await refused(415, 'PUT', PUT_PATH);
    await refused(415, 'POST', '/v1/exec/checks');
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/jsonx',
    'text/json',
    'application/json+x',
    'json',
    ';',
    'application/json, text/plain',
  ])('of the type %s is 415', async (type) => {
    await refused(415, 'PUT', PUT_PATH, put('{}', { 'content-type': type }));
    await refused(415, 'POST', '/v1/exec/checks', put('{}', { 'content-type': type }));
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'APPLICATION/JSON',
    'application/json ; charset="utf-8"',
  ])('of the type %s is read', async (type) => {
    expect((await send(service, 'PUT', PUT_PATH, put('{}', { 'content-type': type }))).status).toBeLessThan(300);
  });

  it('of exactly 64 KiB is read, one byte more is 413, with a length and without', async () => {
    const json = '{"description":"x"}';
    const exact = json + ' '.repeat(KIB64 - json.length);
    const stream = (text: string) => new Blob([text]).stream();
    const type = { 'content-type': 'application/json' };
    expect((await send(service, 'PUT', PUT_PATH, put(exact))).status).toBeLessThan(300);
    expect((await send(service, 'PUT', PUT_PATH, put(stream(exact)))).status).toBeLessThan(300);
    await refused(413, 'PUT', PUT_PATH, put(`${exact} `));
    await refused(413, 'PUT', PUT_PATH, put(stream(`${exact} `)));
    await refused(413, 'PUT', PUT_PATH, put('{}', { ...type, 'content-length': String(KIB64 + 1) }));
  });

  it('nested without end is refused', async () => {
    const depth = 30_000;
    await refused(422, 'PUT', PUT_PATH, put('['.repeat(depth) + ']'.repeat(depth)));
    await refused(422, 'POST', '/v1/exec/checks', put('['.repeat(depth) + ']'.repeat(depth)));
    await refused(422, 'PUT', PUT_PATH, put(`${'{"constraints":'.repeat(4000)}{}${'}'.repeat(4000)}`));
  });

  it('with members that are not known is refused, and each is named', async () => {
    const body = '{"nonsense":1,"__proto__":{"a":1},"constructor":2,"a/b~c":3,"\\ud800":4}';
    const answer = await refused(422, 'PUT', PUT_PATH, put(body));
    const pointers = (answer.body['errors'] as { pointer: string }[]).map((one) => one.pointer);
    expect(pointers).toEqual(expect.arrayContaining(['#/nonsense', '#/constructor', '#/a~1b~0c']));
    await refused(422, 'POST', '/v1/exec/checks', put('{"workflow":"a","__proto__":{}}'));
  });

  it('with a token where none belongs is refused, and the token is not repeated', async () => {
    const { token } = await service.seedToken();
    for (const json of [{ description: `see ${token}` }, { [token]: 1 }, { allowed_scopes: [`a:${token}`] }]) {
      const answer = await refused(422, 'PUT', PUT_PATH, { json });
      expect(answer.text).not.toContain(token.slice(27, 70));
    }
    for (const path of [
      `/v1/workflows/${token}`,
      `/v1/tokens/${token}`,
      `/${token}`,
      `/v1/me?x=${token}`,
      `/v1/me?${token}=x`,
    ]) {
      const answer = await send(service, 'GET', path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.text).not.toContain(token.slice(27, 70));
    }
    expect(service.log.join('')).not.toContain(token.slice(27, 70));
  });
});

describe('a form', () => {
  const form = (body: string, type = 'application/x-www-form-urlencoded'): Sending => ({
    body,
    headers: { 'content-type': type },
  });
  it.each([
    '',
    'token',
    'token=',
    'x=1',
    'token=a&token=b',
    'token=a&token=a',
    'token=a&x=1&x=2',
    'token=%zz',
    'token=%',
    'token=a&token_type_hint=x&token_type_hint=y',
  ])('%j is 400 invalid_request', async (body) => {
    for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
      expect((await refused(400, 'POST', path, form(body))).body['error']).toBe('invalid_request');
    }
  });

  it.each(['application/json', 'text/plain', 'multipart/form-data; boundary=x'])(
    'of the type %s is 400',
    async (type) => {
      for (const path of ['/oauth2/introspect', '/oauth2/revoke'])
        await refused(400, 'POST', path, form('token=a', type));
    },
  );

  it('of exactly 64 KiB is read, one byte more is 413', async () => {
    const exact = `token=${'a'.repeat(KIB64 - 6)}`;
    for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
      expect((await send(service, 'POST', path, form(exact))).status).toBe(200);
      await refused(413, 'POST', path, form(`${exact}a`));
    }
  });

  it('of other letters than ASCII is a token that is not there', async () => {
    for (const body of ['token=%00', 'token=%ff%fe', 'token=%F0%9F%A6%8A', 'token=a+b', 'token=a&%00=b']) {
      expect((await send(service, 'POST', '/oauth2/introspect', form(body))).text).toBe('{"active":false}');
      expect((await send(service, 'POST', '/oauth2/revoke', form(body))).status).toBe(200);
    }
  });
});

describe('a query', () => {
  it.each([
    '/v1/tokens?limit=0',
    '/v1/tokens?limit=201',
    '/v1/tokens?limit=-1',
    '/v1/tokens?limit=5.0',
    '/v1/tokens?limit=%205',
    '/v1/tokens?limit=99999999999999999999',
    '/v1/tokens?limit=',
    '/v1/tokens?limit=1&limit=1',
    '/v1/members?cursor=',
    '/v1/members?cursor=%00',
    '/v1/members?cursor=%ff',
    '/v1/members?cursor=bWVtYmVyczp4',
    '/v1/members?cursor=d29ya2Zsb3dzOmE',
    `/v1/members?cursor=${'a'.repeat(600)}`,
    '/v1/workflows?nonsense=1',
    '/v1/workflows?__proto__=1',
    '/v1/workflows?constructor=1',
    '/v1/workflows?%00=1',
    '/v1/me?x=1',
    '/v1/audit-events?target=tok_%00',
    '/v1/audit-events?action=%ff',
    '/v1/tokens?workflow=%00',
    '/v1/tokens?status=dead',
    '/v1/tokens?expires_before=0000-00-00T00:00:00Z',
    '/v1/tokens?unused_since=2026-13-01T00:00:00Z',
  ])('%s is 422', async (path) => {
    await refused(422, 'GET', path);
  });
});

describe('a path', () => {
  it.each([
    '/',
    '/v1',
    '/v1/',
    '/v2/tokens',
    '/V1/me',
    '/v1/tokens/',
    '//v1/me',
    '/v1//me',
    '/v1/me/',
    '/v1/me//',
    '/v1/me%2F',
    '/v1%2Fme',
    '/v1/me;x',
    '/%00',
    '/%ff',
    '/v1/tokens/%00',
    '/v1/tokens/%ff',
    '/v1/tokens/a%2Fb',
    '/v1/members/%F0%9F%A6%8A',
    '/v1/tokens/tok_zzzzzzzzzzzzzzzzzzzzzz',
    '/oauth2',
    '/oauth2/authorize',
    '/oauth2/introspect/',
    `/${'a'.repeat(8000)}`,
    `/v1/workflows/${'a'.repeat(8000)}`,
    '/.env',
    '/constructor',
  ])('%s is 404', async (path) => {
    await refused(404, 'GET', path);
  });
});

describe('a method', () => {
  const paths = new Map<string, string[]>();
  for (const { path, method } of operations) {
    paths.set(path, [...(paths.get(path) ?? []), method.toUpperCase(), ...(method === 'get' ? ['HEAD'] : [])]);
  }
  it.each([...paths])('that %s does not have is 405 with Allow', async (path, allowed) => {
    const filled = path.replaceAll(/\{\w+\}/g, 'x');
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'get']) {
      if (allowed.includes(method.toUpperCase())) continue;
      const answer = await send(service, method, filled, { token: null });
      expectProblem(answer, 405, filled);
      expect(answer.headers.get('allow')?.split(', ').sort()).toEqual([...allowed].sort());
    }
  });

  it('HEAD is answered like GET, without a body', async () => {
    for (const path of ['/v1/me', '/healthz', '/readyz', '/docs', '/nowhere', '/v1/workflows/countersign']) {
      const [head, get] = [await send(service, 'HEAD', path), await send(service, 'GET', path)];
      expect([head.status, head.text, head.headers.get('content-type')]).toEqual([
        get.status,
        '',
        get.headers.get('content-type'),
      ]);
    }
  });
});

describe('X-Request-Id', () => {
  it.each(['abc', 'A.b_c-1', 'x'.repeat(64), '0'])('%s is given back', async (id) => {
    const { headers } = await send(service, 'GET', '/healthz', { headers: { 'x-request-id': id } });
    expect(headers.get('x-request-id')).toBe(id);
  });

  it.each(['', 'x'.repeat(65), 'a b', 'a,b', '<script>', "'; drop table", 'é', '../../etc', 'a:b', '{"a":1}'])(
    '%j is replaced',
    async (id) => {
      const { headers } = await send(service, 'GET', '/healthz', { headers: { 'x-request-id': id } });
      expect(headers.get('x-request-id')).not.toBe(id);
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('Authorization', () => {
  const me = (authorization: string) => send(service, 'GET', '/v1/me', { token: null, headers: { authorization } });

  it.each(['bearer', 'BEARER', 'BeArEr'])(
    '%s is Bearer: the scheme has no letter case (RFC 9110 section 11.1)',
    async (scheme) => {
      expect((await me(`${scheme} ${service.owner.printed}`)).status).toBe(200);
      expect((await me(`${scheme}   ${service.owner.printed}`)).status).toBe(200);
    },
  );

  it('that is anything else is 401 with a challenge', async () => {
    const token = service.owner.printed;
    const id = (await service.client().me()).token.id;
    const basic = `Basic ${Buffer.from(`${id}:${token}`).toString('base64')}`;
    for (const header of [
      '',
      'Bearer',
      'Bearer ',
      token,
      `Bearer${token}`,
      `Bearer ${token} ${token}`,
      `Bearer ${token},Bearer ${token}`,
      `Bearer ${token}x`,
      `Bearer x${token}`,
      `Bearer "${token}"`,
      `Bearer ${token.toLowerCase()}`,
      `Token ${token}`,
      basic,
      'Basic !!!',
      'Basic Og==',
      `Bearer ${'x'.repeat(8000)}`,
      'Bearer \u00ff\u00fe',
    ]) {
      expectProblem(await me(header), 401, '/v1/me');
    }
  });

  it('with Basic garbage at the introspection is 401 with a challenge', async () => {
    for (const header of [
      'Basic',
      'Basic !!!',
      'Basic Og==',
      'Basic Og',
      'Basic eA==',
      `Basic ${'A'.repeat(8000)}`,
      'Digest x',
    ]) {
      const answer = await send(service, 'POST', '/oauth2/introspect', {
        token: null,
        form: 'token=x',
        headers: { authorization: header },
      });
      expectProblem(answer, 401, '/oauth2/introspect');
      expect(answer.headers.get('www-authenticate')).toMatch(/^(Basic|Bearer) realm=/);
    }
  });
});

/** Sends bytes over a connection of their own and gives what comes back before the other end closes. */
function raw(bytes: string | Buffer, act?: (socket: Socket) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = dial(Number(new URL(service.url).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('error', (error) => (text === '' ? reject(error) : resolve(text)));
    socket.on('close', () => resolve(text));
    socket.write(bytes);
    act?.(socket);
  });
}

/** Below the endpoints, too, a refusal is a problem with a request id. */
function expectRawProblem(answer: string, status: RegExp): void {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const code = /^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1] ?? '';
  expect(code).toMatch(status);
  expect(head).toMatch(/^content-type: application\/problem\+json$/im);
  expect(head).toMatch(/^x-request-id: [A-Za-z0-9._-]{1,64}$/im);
  expect(head).toMatch(/^cache-control: no-store$/im);
  // What was read as a request is answered in chunks when its length is not known.
  expect(body).toContain(`"status":${code}`);
}

describe('over a connection', () => {
  const authorization = () => `Authorization: Bearer ${service.owner.printed}\r\n`;
  const head = (line: string, headers = '') => `${line}\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`;

  it.each([
    ['a NUL in the path', 'GET /v1/\u0000 HTTP/1.1'],
    ['raw bytes in the path', 'GET /v1/\u00ff HTTP/1.1'],
    ['two slashes', 'GET //v1/me HTTP/1.1'],
    ['a path of 20 000 characters', `GET /${'a'.repeat(20_000)} HTTP/1.1`],
    ['an absolute target', 'GET http://evil.example/v1/nowhere HTTP/1.1'],
    ['a target of *', 'OPTIONS * HTTP/1.1'],
    ['no path at all', 'GET HTTP/1.1'],
    ['a backslash in the path', 'GET /v1\\me HTTP/1.1'],
    ['noise', 'hello'],
  ])('%s is refused and the service goes on', async (_, line) => {
    const answer = await raw(head(line));
    expectRawProblem(answer, /^4\d\d$/);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
  });

  it.each(['a b', 'x:y', '[::', '<script>', 'x/y', 'é', ''])(
    'a Host of %j is refused or does not matter',
    async (host) => {
      const answer = await raw(`GET /v1/me HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 40[01] /);
    },
  );

  it('a body that ends early, and one that is announced and never comes, leave the service up', async () => {
    const lengthy = head(
      'PUT /v1/workflows/early HTTP/1.1',
      `${authorization()}Content-Type: application/json\r\nContent-Length: 100\r\n`,
    );
    await raw(`${lengthy}{"descr`, (socket) => socket.end());
    await raw(lengthy, (socket) => socket.destroy());
    const check = head(
      'POST /v1/exec/checks HTTP/1.1',
      `${authorization()}Content-Type: application/json\r\nContent-Length: 100\r\n`,
    );
    await raw(check, (socket) => socket.end());
    await raw(check, (socket) => socket.destroy());
    expect(
      (
        await fetch(`${service.url}/v1/workflows/early`, {
          headers: { authorization: `Bearer ${service.owner.printed}` },
        })
      ).status,
    ).toBe(404);
  });

  it.each(['PUT /v1/workflows/large', 'POST /v1/exec/checks', 'POST /oauth2/introspect'])(
    '%s: a body of 1 MiB is 413, before it was sent whole',
    async (line) => {
      const type = line.includes('oauth2') ? 'application/x-www-form-urlencoded' : 'application/json';
      const chunked = head(
        `${line} HTTP/1.1`,
        `${authorization()}Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n`,
      );
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
      // The last chunk is never sent.
      expect(await raw(chunked + chunk + chunk)).toMatch(/^HTTP\/1\.1 413 /);
    },
  );

  it('two Authorization headers are not two chances', async () => {
    const answer = await raw(head('GET /v1/me HTTP/1.1', `Authorization: Bearer cst_noise\r\n${authorization()}`));
    expect(answer).toMatch(/^HTTP\/1\.1 40[01] /);
  });

  it('two different lengths are refused (RFC 9112 section 6.3)', async () => {
    const smuggled = head('POST /oauth2/revoke HTTP/1.1', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n');
    expect(await raw(`${smuggled}0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('the service answers after all of it', async () => {
    expect((await service.client().me()).status).toBe('active');
    expect(service.log.join('')).not.toContain('unexpected error');
  });
});
