import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { bearer } from './clients.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
});
afterAll(() => service.close());

const send = (method: string, path: string, init: { body?: string; headers?: Record<string, string> } = {}) => {
  const headers = { 'content-type': 'application/json', ...bearer(service.owner.printed), ...init.headers };
  return fetch(service.url + path, { method, headers, ...(init.body === undefined ? {} : { body: init.body }) });
};
const memberMissing = '/v1/members/mem_0000000000000000000000';

const problems = [
  ['malformed-body', 400, () => send('POST', '/v1/tokens', { body: '{' })],
  ['unauthenticated', 401, () => send('GET', '/v1/me', { headers: { authorization: 'Bearer x' } })],
  [
    'insufficient-scope',
    403,
    async () => {
      const { token } = await service.seedToken();
      return send('GET', '/v1/audit-events', { headers: bearer(token) });
    },
  ],
  ['not-found', 404, () => send('GET', '/v1/nothing')],
  ['not-found', 404, () => send('GET', '/nothing')],
  ['not-found', 404, () => send('GET', memberMissing)],
  ['method-not-allowed', 405, () => send('DELETE', '/v1/tokens')],
  ['conflict', 409, () => send('DELETE', `/v1/members/${printId('mem', service.owner.member.id)}`)],
  ['body-too-large', 413, () => send('POST', '/v1/tokens', { body: `"${'a'.repeat(70_000)}"` })],
  [
    'unsupported-media-type',
    415,
    () => send('POST', '/v1/tokens', { body: 'a=b', headers: { 'content-type': 'text/plain' } }),
  ],
  ['invalid', 422, () => send('POST', '/v1/tokens', { body: '{"workflow":1}' })],
] as const;

describe('problem details (RFC 9457)', () => {
  it.each(problems)(
    '%s is %i in application/problem+json, whatever Accept says (section 3)',
    async (_, status, ask) => {
      const response = await ask();
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
    },
  );

  it.each(problems)('%s has the members of section 3.1, each of its type (%i)', async (slug, status, ask) => {
    const response = await ask();
    const problem = (await response.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({
      type: `${service.url}/problems/${slug}`,
      title: expect.stringMatching(/./),
      status,
      detail: expect.stringMatching(/./),
      instance: expect.stringMatching(/^\/[\x21-\x7e]*$/),
    });
    const extensions = Object.keys(problem).filter(
      (name) => !['type', 'title', 'status', 'detail', 'instance'].includes(name),
    );
    expect(extensions).toEqual(status === 409 ? ['code'] : status === 422 ? ['errors'] : []);
  });

  it.each(problems)('%s: the type resolves to a page about it (section 3.1.1; %i)', async (_, __, ask) => {
    const { type, title } = (await (await ask()).json()) as { type: string; title: string };
    const page = await fetch(type);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain(title);
  });

  it('one type has one title, whatever the occurrence (section 3.1.3)', async () => {
    const titles = new Map<string, Set<string>>();
    for (const [, , ask] of problems) {
      const { type, title } = (await (await ask()).json()) as { type: string; title: string };
      titles.set(type, (titles.get(type) ?? new Set()).add(title));
    }
    for (const one of titles.values()) expect(one.size).toBe(1);
  });

  it('the detail is for people and gives nothing of a secret away (sections 3.1.4 and 5)', async () => {
    const { token } = await service.seedToken();
    const sent = [
      await send('GET', `/v1/tokens/${token}`),
      await send('POST', '/v1/tokens', { body: JSON.stringify({ workflow: token, [token]: token }) }),
      await send('GET', `/v1/tokens?status=${token}`),
      await send('GET', `/v1/tokens?${token}=1`),
    ];
    for (const response of sent) {
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(await response.text()).not.toContain(token);
    }
  });

  it('the instance is a reference to the request, also for a path that looks like another host (section 3.1.5)', async () => {
    for (const path of ['/v1/tokens/%E2%9C%93', '/v1/%22%7D', '//elsewhere.example/v1']) {
      const response = await send('GET', path);
      expect(response.status).toBe(404);
      const { instance } = (await response.json()) as { instance: string };
      expect(new URL(instance, service.url).origin).toBe(service.url);
    }
  });

  it('errors point into the body as JSON pointers in fragment form (section 3, RFC 6901 section 6)', async () => {
    const body = JSON.stringify({ workflow: 'a', scopes: ['x'], expires_in_days: 0, 'a/b~ c': 1 });
    const { errors } = (await (await send('POST', '/v1/tokens', { body })).json()) as { errors: { pointer: string }[] };
    const pointers = errors.map(({ pointer }) => pointer);
    expect(pointers).toEqual(expect.arrayContaining(['#/scopes/0', '#/expires_in_days', '#/a~1b~0%20c']));
  });

  it('is not the form of the OAuth endpoints: they have RFC 6749 section 5.2', async () => {
    const response = await fetch(`${service.url}/oauth2/revoke`, { method: 'POST', body: 'a' });
    expect(response.headers.get('content-type')).toBe('application/json');
  });
});
