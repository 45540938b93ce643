import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, newTokenSecret, parseToken, printToken } from '../../src/rules/format.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

/** Reports from a network of its own, so that no test uses up another's turns. */
async function report(tokens: readonly unknown[], more: Record<string, unknown> = {}) {
  serial += 1;
  const address = `2001:db8:${serial.toString(16)}::1`;
  return send(service, 'POST', '/v1/leaks', { token: null, json: { tokens, ...more }, address });
}

function unknownToken(): string {
  return printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
}

// To ask about a dead token is to use it, which opens an incident of the other kind.
const incidentsOf = async (token: string) =>
  (await service.client().incidents.list({ token })).data.filter(({ kind }) => kind === 'leak');
const statusOf = async (id: string) => (await service.client().tokens.show(id)).status;
const eventsOf = async (target: string) =>
  (await service.client().auditEvents({ target, limit: 200 })).data.map(({ action }) => action);

describe('a reported token', () => {
  test('is dead when the report is answered, and has one incident, whatever stands beside it', async () => {
    const { id, token } = await service.seedToken();
    const noise = ['', 'cst_noise', 'ghp_somebody_elses', `${token}x`, unknownToken(), 'ü'.repeat(500)];
    const source = { type: 'commit', url: `https://github.com/acme/shop?found=${token}` };
    const answer = await report([...noise, token, token], { source });
    expect(answer).toMatchObject({ status: 202, body: { received: 8 } });
    expect(await service.client().introspect(token)).toEqual({ active: false });
    const [incident, ...others] = await incidentsOf(id);
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ kind: 'leak', status: 'open', times_seen: 1, token_was: 'active', revoked: [id] });
    const shown = await service.client().tokens.show(id);
    expect(shown).toMatchObject({ status: 'revoked', revoked_reason: 'leaked', revoked_by: 'countersign' });
    expect(await eventsOf(id)).toEqual(['token.minted', 'token.revoked']);
    const [opened] = (await service.client().auditEvents({ target: incident?.id })).data;
    expect(opened).toMatchObject({
      action: 'incident.opened',
      actor: { type: 'system', id: 'countersign' },
      data: { incident_id: incident?.id, token_id: id, kind: 'leak', token_was: 'active', revoked: [id] },
    });
    const told = await send(service, 'GET', `/v1/incidents/${incident?.id}`);
    expect(told.text).not.toContain(token.slice(27));
    expect(told.body['seen']).toMatchObject([{ type: 'commit' }]);
  });

  test('is answered as one that was never ours, byte for byte', async () => {
    const live = await service.seedToken();
    const dead = await service.seedToken();
    await service.client().tokens.revoke(dead.id, { reason: 'unused' });
    const forged = printToken({ ...parsed(live.token), tokenSecret: newTokenSecret() });
    const answers = [];
    for (const token of ['cst_noise', unknownToken(), forged, live.token, live.token, dead.token]) {
      const { status, text, headers } = await report([token]);
      answers.push({ status, text, headers: [...headers].filter(([name]) => name !== 'x-request-id') });
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer)))).toHaveLength(1);
  });

  test('with another secret is left alone', async () => {
    const { id, token } = await service.seedToken();
    await report([printToken({ ...parsed(token), tokenSecret: newTokenSecret() })]);
    expect(await statusOf(id)).toBe('active');
    expect(await incidentsOf(id)).toEqual([]);
  });

  test('counts once more when it is reported again, and changes nothing else', async () => {
    const { id, token } = await service.seedToken();
    for (const url of ['https://a.example/', 'https://a.example/', 'https://b.example/']) {
      await report([token], { source: { url } });
    }
    const [incident, ...others] = await incidentsOf(id);
    expect(others).toEqual([]);
    expect(incident).toMatchObject({ times_seen: 3, revoked: [id] });
    const { seen } = await service.client().incidents.show(incident?.id ?? '');
    expect(seen.map(({ url }) => url)).toEqual(['https://a.example/', 'https://b.example/']);
    expect(await eventsOf(incident?.id ?? '')).toEqual(['incident.opened']);
    expect(await eventsOf(id)).toEqual(['token.minted', 'token.revoked']);
  });

  test('has one incident when many report it at the same moment', async () => {
    const { id, token } = await service.seedToken();
    await Promise.all(Array.from({ length: 8 }, () => report([token])));
    expect(await incidentsOf(id)).toMatchObject([{ times_seen: 8, revoked: [id] }]);
    expect(await eventsOf(id)).toEqual(['token.minted', 'token.revoked']);
  });

  test('stops its job, which is told at once', async () => {
    const { id, token } = await service.seedToken();
    const job = service.client(token);
    const { check_id } = await job.execChecks.check({ workflow: 'nightly' });
    const events: string[] = [];
    const watched = (async () => {
      for await (const event of job.execChecks.watch(check_id)) events.push(event.type);
    })();
    await report([token]);
    await watched;
    expect(events).toContain('revoked');
    const [incident] = await incidentsOf(id);
    expect((await service.client().incidents.show(incident?.id ?? '')).uses).toMatchObject([{ check_id }]);
  });

  test('that is held back ends too, and one that has ended only has its incident', async () => {
    const paused = `held-${++serial}`;
    await service.makeWorkflow(paused);
    const held = await service.seedToken({ workflow: paused });
    await service.client().workflows.pause(paused);
    const ended = await service.seedToken();
    await service.client().tokens.revoke(ended.id, { reason: 'unused' });
    const first = await service.seedToken();
    await service.client().tokens.rotate(first.id, { overlap_seconds: 0 });
    await report([held.token, ended.token, first.token]);
    expect(await incidentsOf(held.id)).toMatchObject([{ token_was: 'suspended', revoked: [held.id] }]);
    expect(await incidentsOf(ended.id)).toMatchObject([{ kind: 'leak', token_was: 'revoked', revoked: [] }]);
    expect(await incidentsOf(first.id)).toMatchObject([{ kind: 'leak', token_was: 'superseded', revoked: [] }]);
    expect((await service.client().tokens.show(ended.id)).revoked_reason).toBe('unused');
    expect(await statusOf(first.id)).toBe('superseded');
  });

  test('opens another incident after the first was closed', async () => {
    const { id, token } = await service.seedToken();
    await report([token]);
    const [first] = await incidentsOf(id);
    await service.client().incidents.close(first?.id ?? '', { note: 'the log is gone' });
    // Ids of the same instant have no order.
    service.clock.advance(1);
    await report([token]);
    expect(await incidentsOf(id)).toMatchObject([
      { status: 'open', revoked: [] },
      { id: first?.id, status: 'closed' },
    ]);
  });

  test('may be an invitation, which ends and nobody accepts any more', async () => {
    const { invitation } = await service.client().members.invite({ email: 'leaked@acme.example', role: 'member' });
    expect((await report([invitation])).status).toBe(202);
    await expect(service.client(null).members.accept(invitation)).rejects.toMatchObject({ status: 401 });
  });

  test('of another workspace is that workspace’s alone', async () => {
    const other = await service.makeWorkspace(`other-${++serial}`);
    const { token } = await service.seedToken();
    const theirs = await service.client(other.printed).tokens.list({});
    await report([token, other.printed]);
    await expect(service.client(other.printed).me()).rejects.toMatchObject({ status: 401 });
    const text = (await send(service, 'GET', '/v1/incidents?limit=200')).text;
    for (const { id } of theirs.data) expect(text).not.toContain(id);
  });
});

describe('the lineage of a token that leaked', () => {
  const scopes = ['repo:read', 'tokens:rotate'];

  test('ends as far as the leaked secret was answered its secrets, through every hand', async () => {
    const first = await service.seedToken({ scopes });
    const second = await service.client(first.token).tokens.rotate('self', {});
    const third = await service.client(second.token).tokens.rotate('self', {});
    await report([first.token]);
    for (const { id } of [first, second, third]) expect(await statusOf(id)).toBe('revoked');
    const [incident] = await incidentsOf(first.id);
    expect([...(incident?.revoked ?? [])].sort()).toEqual([first.id, second.id, third.id].sort());
    const { siblings } = await service.client().incidents.show(incident?.id ?? '');
    expect(Object.fromEntries(siblings.map(({ id, status }) => [id, status]))).toEqual({
      [second.id]: 'revoked',
      [third.id]: 'revoked',
    });
  });

  test('lives on where somebody else rotated, or the token could not', async () => {
    const able = await service.seedToken({ scopes });
    const byOwner = await service.client().tokens.rotate(able.id);
    const unable = await service.seedToken();
    const successor = await service.client().tokens.rotate(unable.id);
    await report([able.token, unable.token]);
    for (const { id } of [byOwner, successor]) expect(await statusOf(id)).toBe('active');
  });

  test('keeps the predecessor of a leaked successor', async () => {
    const first = await service.seedToken({ scopes });
    const second = await service.client(first.token).tokens.rotate('self', {});
    await report([second.token]);
    expect(await statusOf(second.id)).toBe('revoked');
    expect(await statusOf(first.id)).toBe('rotating');
  });
});

describe('a report', () => {
  test('of a thousand tokens is taken, one more is refused', async () => {
    const many = Array.from({ length: 1000 }, unknownToken);
    const { id, token } = await service.seedToken();
    expect((await report([...many.slice(1), token])).body).toEqual({ received: 1000 });
    expect(await statusOf(id)).toBe('revoked');
    expect((await report([...many, token])).status).toBe(422);
  });

  test.each([
    ['no tokens', { tokens: [] }, 422],
    ['a number', { tokens: [1] }, 422],
    ['no list', { tokens: 'cst_noise' }, 422],
    ['a member that is not known', { tokens: ['a'], note: 'x' }, 422],
    ['a control character in its source', { tokens: ['a'], source: { url: 'a\u0000b' } }, 422],
    ['nothing', {}, 422],
  ])('with %s is refused', async (_, json, status) => {
    serial += 1;
    const address = `2001:db8:${serial.toString(16)}::1`;
    expect((await send(service, 'POST', '/v1/leaks', { token: null, json, address })).status).toBe(status);
  });

  test.each([
    ['that is not JSON', '{"tokens":[', 400],
    ['that is nested without end', `{"tokens":${'['.repeat(40_000)}${']'.repeat(40_000)}}`, 422],
    ['of more than 128 KiB', `{"tokens":["${'a'.repeat(131_072)}"]}`, 413],
  ])('%s is refused', async (_, body, status) => {
    serial += 1;
    const address = `2001:db8:${serial.toString(16)}::1`;
    const headers = { 'content-type': 'application/json' };
    const answer = await send(service, 'POST', '/v1/leaks', { token: null, body, headers, address });
    expect(answer.status).toBe(status);
    if (status === 413) expect(answer.body['detail']).toBe('the body is larger than 128 KiB');
  });

  test('is one of 60 a minute from a network, however many addresses it has', async () => {
    const statuses = new Set<number>();
    for (let at = 0; at <= 60; at += 1) {
      const address = `2001:db8:ffff:1::${at.toString(16)}`;
      const json = { tokens: ['cst_noise'] };
      statuses.add((await send(service, 'POST', '/v1/leaks', { token: null, json, address })).status);
    }
    expect([...statuses]).toEqual([202, 429]);
  });

  test('leaves no secret in the log', async () => {
    const { token } = await service.seedToken();
    await report([token], { source: { url: `https://logs.example/${token}` } });
    expect(service.log.join('\n')).not.toContain(token.slice(27));
  });
});

function parsed(token: string) {
  const it = parseToken(token);
  if (it === undefined) throw new Error('no token');
  return it;
}
