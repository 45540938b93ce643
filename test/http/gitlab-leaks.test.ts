import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

const SHOWN = 'gl-0123456789abcdef0123456789abcdef';
const TYPE = 'gitleaks_rule_id_countersign_token';
const TYPES = '/v1/leaks/gitlab/revocable_token_types';
const REVOKE = '/v1/leaks/gitlab/revoke_tokens';

let service: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService({ gitlabToken: SHOWN });
});
afterAll(() => service.close());

/** As GitLab sends it: the token alone in the header. */
function gitlab(method: string, path: string, body?: string, authorization = SHOWN) {
  serial += 1;
  const headers = { 'content-type': 'application/json', ...(authorization === '' ? {} : { authorization }) };
  const address = `2001:db8:${serial.toString(16)}::1`;
  return send(service, method, path, { token: null, headers, address, ...(body === undefined ? {} : { body }) });
}

const report = (items: unknown, authorization?: string) => gitlab('POST', REVOKE, JSON.stringify(items), authorization);
const statusOf = async (id: string) => (await service.client().tokens.show(id)).status;
const incidentsOf = async (token: string) => (await service.client().incidents.list({ token })).data;
const unknownToken = () => printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });

test('GitLab is told which types it may hand over', async () => {
  const answer = await gitlab('GET', TYPES);
  expect([answer.status, answer.body]).toEqual([200, { types: [TYPE] }]);
});

describe('a report of GitLab', () => {
  test('ends what is ours, whatever stands beside it, and leaves the place', async () => {
    const live = await service.seedToken();
    const inLine = await service.seedToken();
    const ended = await service.seedToken();
    await service.client().tokens.revoke(ended.id, { reason: 'unused' });
    const location = `https://gitlab.example/acme/shop/-/raw/4f2a9c1/${live.token}`;
    const items = [
      { type: 'gitleaks_rule_id_aws', token: 'AKIAIOSFODNN7EXAMPLE', location: 'x' },
      7,
      null,
      [],
      { type: TYPE },
      { type: TYPE, token: 42, location: {} },
      { type: TYPE, token: unknownToken(), location: 'x' },
      { type: TYPE, token: live.token, location, vulnerability: { id: 3 } },
      { type: 'a_type_of_tomorrow', token: `export COUNTERSIGN_TOKEN="${inLine.token}"`, location: 9 },
      { type: TYPE, token: ended.token, location: 'x' },
    ];
    const answer = await report(items);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await Promise.all([live, inLine].map(({ id }) => statusOf(id)))).toEqual(['revoked', 'revoked']);
    const [incident] = await incidentsOf(live.id);
    expect(incident).toMatchObject({ kind: 'leak', revoked: [live.id] });
    const { seen } = await service.client().incidents.show(incident?.id ?? '');
    expect(seen).toMatchObject([{ type: 'gitlab' }]);
    expect(seen[0]?.url).toContain('https://gitlab.example/acme/shop/-/raw/4f2a9c1/');
    expect(JSON.stringify([seen, service.log])).not.toContain(live.token.slice(27));
    expect(await incidentsOf(ended.id)).toMatchObject([{ kind: 'leak', token_was: 'revoked', revoked: [] }]);
  });

  test('that comes again only counts', async () => {
    const { id, token } = await service.seedToken();
    const items = [{ type: TYPE, token, location: 'https://gitlab.example/acme' }];
    const answers = [await report(items), await report(items)];
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expect(await incidentsOf(id)).toMatchObject([{ times_seen: 2, revoked: [id] }]);
  });

  test('is taken with the scheme Bearer too, and empty', async () => {
    expect((await report([], `Bearer ${SHOWN}`)).status).toBe(204);
  });

  test.each([
    ['that is not JSON', '[{"token":', 400],
    ['that is no list', '{"token":"a"}', 400],
    ['of more than 10 000 items', JSON.stringify(Array.from({ length: 10_001 }, () => 0)), 400],
    ['that is nested without end', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 204],
    ['of more than 1 MiB', `["${'a'.repeat(1_048_576)}"]`, 413],
  ])('%s does no harm', async (_, body, status) => {
    expect((await gitlab('POST', REVOKE, body)).status).toBe(status);
  });
});

describe('who is not GitLab', () => {
  test.each([
    ['shows nothing', ''],
    ['shows another token', SHOWN.replace('0', '1')],
    ['shows the beginning of it', SHOWN.slice(0, -1)],
    ['shows more than it', `${SHOWN}0`],
    ['shows it twice', `${SHOWN}, ${SHOWN}`],
    ['shows it as Basic', `Basic ${SHOWN}`],
  ])('%s and ends nothing', async (_, authorization) => {
    const { id, token } = await service.seedToken();
    const answers = [
      await report([{ type: TYPE, token }], authorization),
      await gitlab('GET', TYPES, undefined, authorization),
    ];
    for (const { status, headers, text } of answers) {
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toContain('Bearer');
      expect(text).not.toContain(SHOWN);
    }
    expect(await statusOf(id)).toBe('active');
  });

  test('is no owner of a workspace', async () => {
    expect((await report([], service.owner.printed)).status).toBe(401);
    expect((await send(service, 'GET', '/v1/me', { token: SHOWN })).status).toBe(401);
  });

  test('may try 60 times a minute from a network', async () => {
    const statuses = new Set<number>();
    for (let at = 0; at <= 60; at += 1) {
      const address = `2001:db8:fffd:1::${at.toString(16)}`;
      statuses.add((await send(service, 'GET', TYPES, { token: 'made-up', address })).status);
    }
    expect([...statuses]).toEqual([401, 429]);
    // Which keeps GitLab from nothing.
    const headers = { authorization: SHOWN };
    expect((await send(service, 'GET', TYPES, { token: null, headers, address: '2001:db8:fffd:1::1' })).status).toBe(
      200,
    );
  });
});

test('where no GitLab reports there is nothing', async () => {
  const plain = await createTestService({ database: service.database, keys: service.keys });
  for (const [method, path] of [
    ['GET', TYPES],
    ['POST', REVOKE],
  ] as const) {
    for (const token of [SHOWN, null]) {
      const sending = { token, ...(method === 'POST' ? { json: [] } : {}) };
      expect((await send(plain, method, path, sending)).status).toBe(404);
    }
  }
  await plain.close();
});

test('what it shows is in no log', () => {
  expect(service.log.join('\n')).not.toContain(SHOWN);
});
