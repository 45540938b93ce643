import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBase62, newTokenSecret, parseToken, printId } from '../../src/rules/format.js';
import { everyPage } from '../../src/sdk/index.js';
import type { Secrets } from '../../src/store/secret.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { fault, raw } from './raw.js';

const DAY = 86_400;
const HASHES_THAT_RUN_OR_WAIT = 66;
/** Ids of the right form that stand for nothing: one that nobody has, one that does not fit 128 bits. */
const NOBODY = encodeBase62(7n, 22);
const TOO_LARGE = 'z'.repeat(22);

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

const MINT = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 };
const mint = (body: unknown) => raw(service, 'POST', '/v1/tokens', { json: body });
const list = (query: string, token?: string) => raw(service, 'GET', `/v1/tokens?${query}`, token ? { token } : {});

describe('minting', () => {
  it('answers 201 with the token resource, its place and the printed token', async () => {
    const answer = await mint({ ...MINT, name: 'nightly run' });
    const now = service.clock.now();
    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/tokens/${answer.json.id}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const creator = { id: printId('mem', service.owner.member.id), email: service.owner.member.email, name: null };
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^tok_[0-9A-Za-z]{22}$/),
      name: 'nightly run',
      workspace_id: printId('ws', service.owner.workspace.id),
      workflow: 'nightly',
      creator,
      owner: creator,
      scopes: ['repo:read'],
      constraints: {},
      status: 'active',
      created_at: now.toISOString(),
      not_before: null,
      expires_at: new Date(now.getTime() + 30 * DAY * 1000).toISOString(),
      last_used_at: null,
      last_used_ip: null,
      last_used_by: null,
      last_used_run: null,
      lineage_id: answer.json.id,
      rotated_from: null,
      rotated_to: null,
      overlap_ends_at: null,
      revoked_at: null,
      revoked_by: null,
      revoked_reason: null,
      runner_id: null,
      frozen_at: null,
      frozen_reason: null,
      takeover_by: null,
      takeover_until: null,
      token: expect.stringMatching(/^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/),
    });
    expect(answer.json.token).toHaveLength(76);
    expect(answer.json.token.slice(4, 26)).toBe(answer.json.id.slice(4));
    expect(parseToken(answer.json.token)).toBeDefined();
  });

  it('the place it names is the token, and the printed form is never shown again', async () => {
    const minted = await mint(MINT);
    const { token, ...resource } = minted.json;
    const shown = await raw(service, 'GET', minted.headers.get('location') ?? '');
    expect(shown.json).toEqual(resource);
    for (const path of ['/v1/tokens', `/v1/tokens/${resource.id}`, `/v1/tokens/${resource.id}/explain`, '/v1/me']) {
      const answer = await raw(service, 'GET', path);
      expect(answer.text).not.toContain(token.slice(27));
    }
  });

  it.each([7, 30, 60, 90])('offers %i days unless the workflow says otherwise', async (days) => {
    const answer = await mint({ ...MINT, expires_in_days: days });
    expect(answer.status).toBe(201);
    const life = Date.parse(answer.json.expires_at) - Date.parse(answer.json.created_at);
    expect(life).toBe(days * DAY * 1000);
  });

  it.each([
    ['0', 0],
    ['1.5', 1.5],
    ['a negative number', -7],
    ['367', 367],
    ['a text', '7'],
    ['null', null],
    ['a day the workflow does not offer', 8],
    ['true', true],
    ['a huge number', 1e300],
    ['nothing', undefined],
  ])('no token is without an end that the workflow offers: refuses %s', async (_, days) => {
    expect(fault(await mint({ ...MINT, expires_in_days: days }))).toEqual({ status: 422, at: ['#/expires_in_days'] });
  });

  it('takes the days of the workflow, up to 366', async () => {
    await service.makeWorkflow('yearly', { allowed_scopes: ['repo:*'], allowed_expiry_days: [1, 366] });
    const answers = await Promise.all(
      [1, 366, 7].map((days) => mint({ ...MINT, workflow: 'yearly', expires_in_days: days })),
    );
    expect(answers.map((answer) => answer.status)).toEqual([201, 201, 422]);
  });

  it.each([
    ['no scope', { scopes: [] }, '#/scopes'],
    ['a scope of one part', { scopes: ['repo'] }, '#/scopes/0'],
    ['a wildcard in the middle', { scopes: ['repo:*:read'] }, '#/scopes/0'],
    ['a bare wildcard', { scopes: ['*'] }, '#/scopes/0'],
    ['a scope with a space', { scopes: ['repo:read codex:exec'] }, '#/scopes/0'],
    ['a scope that the workflow does not allow', { scopes: ['repo:read', 'deploy:prod'] }, '#/scopes/1'],
    ['a wildcard above what the workflow allows', { scopes: ['deploy:*'] }, '#/scopes/0'],
    ['a label that is none', { workflow: 'Nightly' }, '#/workflow'],
    ['a workflow that is not there', { workflow: 'nowhere' }, '#/workflow'],
    ["the service's own workflow", { workflow: 'countersign', expires_in_days: 7 }, '#/workflow'],
    ['a member that is not known', { lifetime: 'for ever' }, '#/lifetime'],
    ['a kind of constraint that is not known', { constraints: { branches: ['main'] } }, '#/constraints/branches'],
    ['an empty constraint', { constraints: { refs: [] } }, '#/constraints/refs'],
    ['a network without a prefix', { constraints: { networks: ['10.0.0.1'] } }, '#/constraints/networks/0'],
    ['a ref that is not full', { constraints: { refs: ['main'] } }, '#/constraints/refs/0'],
    ['a name with a line break', { name: 'a\nb' }, '#/name'],
    ['a name with NUL', { name: 'a\u0000b' }, '#/name'],
    ['a name with half a character', { name: 'a\ud800' }, '#/name'],
    ['a time without a zone', { not_before: '2026-01-01T00:00:00' }, '#/not_before'],
    ['a date that is none', { not_before: '2026-02-30T00:00:00Z' }, '#/not_before'],
  ])('refuses %s', async (_, change, pointer) => {
    expect(fault(await mint({ ...MINT, ...change }))).toEqual({ status: 422, at: [pointer] });
  });

  it('names everything that is wrong at once', async () => {
    const answer = await mint({ ...MINT, scopes: ['deploy:a', 'repo:read', 'deploy:b'], expires_in_days: 8 });
    expect(fault(answer)).toEqual({ status: 422, at: ['#/scopes/0', '#/scopes/2', '#/expires_in_days'] });
  });

  it('a scope that is named twice is held once', async () => {
    const answer = await mint({ ...MINT, scopes: ['repo:read', 'codex:exec', 'repo:read'] });
    expect(answer.json.scopes).toEqual(['repo:read', 'codex:exec']);
  });

  it('a token that starts later is not valid before, and valid from then on', async () => {
    const start = new Date(service.clock.now().getTime() + 3600_000);
    const { token, id } = await service.seedToken({ not_before: start.toISOString() });
    expect((await service.client().tokens.show(id)).status).toBe('not_yet_valid');
    expect((await raw(service, 'GET', '/v1/me', { token })).status).toBe(401);
    service.clock.advance(3600);
    expect(await service.client().introspect(token)).toMatchObject({ active: true, nbf: start.getTime() / 1000 });
    expect((await service.client().tokens.show(id)).status).toBe('active');
  });

  it.each([0, 1])('a token cannot start at or after its end (%i s after)', async (seconds) => {
    const end = service.clock.now().getTime() + 30 * DAY * 1000;
    const answer = await mint({ ...MINT, not_before: new Date(end + seconds * 1000).toISOString() });
    expect(fault(answer)).toEqual({ status: 422, at: ['#/not_before'] });
  });

  it('gets the constraints of its workflow, which it may narrow and never widen', async () => {
    const constraints = { repositories: ['acme/*'], networks: ['10.0.0.0/8'] };
    await service.makeWorkflow('bound', { allowed_scopes: ['repo:*'], constraints });
    const inBound = (asked?: object) => mint({ ...MINT, workflow: 'bound', ...(asked && { constraints: asked }) });
    expect((await inBound()).json.constraints).toEqual(constraints);
    const narrowed = { repositories: ['acme/shop'], refs: ['refs/heads/main'] };
    expect((await inBound(narrowed)).json.constraints).toEqual({ ...constraints, ...narrowed });
    for (const [kind, patterns] of [
      ['repositories', ['**']],
      ['repositories', ['acme/shop', 'evil/shop']],
      ['networks', ['0.0.0.0/0']],
      ['networks', ['10.0.0.0/7']],
    ] as const) {
      expect(fault(await inBound({ [kind]: patterns }))).toEqual({ status: 422, at: [`#/constraints/${kind}`] });
    }
  });

  it('a paused workflow gets no tokens: 409', async () => {
    await service.makeWorkflow('halted');
    await service.client().workflows.pause('halted');
    const answer = await mint({ ...MINT, workflow: 'halted' });
    expect(answer.status).toBe(409);
    expect(answer.json.code).toBe('workflow_not_active');
  });

  it('while as many secrets wait to be hashed as may: 503 with Retry-After, which leaves nothing', async () => {
    await service.makeWorkflow('crowded');
    const answers = await whileFull(service.secrets, () =>
      Promise.all(Array.from({ length: 8 }, () => mint({ ...MINT, workflow: 'crowded' }))),
    );
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 503));
    expect(answers.every((answer) => Number(answer.headers.get('retry-after')) >= 1)).toBe(true);
    const { data } = await service.client().tokens.list({ workflow: 'crowded' });
    expect(data).toEqual([]);
    expect((await mint({ ...MINT, workflow: 'crowded' })).status).toBe(201);
  });

  it('does not read what is not one JSON object', async () => {
    const send = async (body: string, type = 'application/json') => {
      const headers = { authorization: `Bearer ${service.owner.printed}`, 'content-type': type };
      const response = await service.fetch(`${ISSUER}/v1/tokens`, { method: 'POST', headers, body });
      return { status: response.status, type: response.headers.get('content-type') };
    };
    const problem = 'application/problem+json';
    expect(await send('{')).toEqual({ status: 400, type: problem });
    expect(await send('')).toEqual({ status: 400, type: problem });
    expect(await send('[]')).toEqual({ status: 422, type: problem });
    expect(await send('null')).toEqual({ status: 422, type: problem });
    expect(await send(JSON.stringify(MINT), 'text/plain')).toEqual({ status: 415, type: problem });
    expect(await send(JSON.stringify({ ...MINT, name: 'x'.repeat(70_000) }))).toEqual({ status: 413, type: problem });
  });
});

describe('showing', () => {
  it('a token shows itself without any scope for it, by its id and as self', async () => {
    const { id, token } = await service.seedToken();
    expect((await service.client(token).tokens.show('self')).id).toBe(id);
    expect((await service.client(token).tokens.show(id)).id).toBe(id);
  });

  it('a token without tokens:read shows no other: 403 with what it lacks', async () => {
    const [{ token }, other] = [await service.seedToken(), await service.seedToken()];
    const answer = await raw(service, 'GET', `/v1/tokens/${other.id}`, { token });
    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toContain('error="insufficient_scope", scope="tokens:read"');
  });

  it.each([
    `tok_${NOBODY}`,
    `tok_${TOO_LARGE}`,
    `mem_${NOBODY}`,
    'tok_short',
    'SELF',
    'self%20',
    'tok_%00',
    `tok_${NOBODY}%2F..`,
    `TOK_${NOBODY}`,
  ])('%s is not found', async (id) => {
    for (const [method, path, json] of [
      ['GET', `/v1/tokens/${id}`, undefined],
      ['GET', `/v1/tokens/${id}/explain`, undefined],
      ['POST', `/v1/tokens/${id}/rotate`, {}],
      ['POST', `/v1/tokens/${id}/revoke`, { reason: 'other' }],
      ['POST', `/v1/tokens/${id}/transfer`, { owner_id: printId('mem', service.owner.member.id) }],
    ] as const) {
      const answer = await raw(service, method, path, json === undefined ? {} : { json });
      expect([path, answer.status]).toEqual([path, 404]);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
    }
  });

  it('an invitation is no token', async () => {
    const { invitation } = await service.client().members.invite({ email: 'guest@acme.example', role: 'member' });
    const id = `tok_${invitation.slice(4, 26)}`;
    expect((await raw(service, 'GET', `/v1/tokens/${id}`)).status).toBe(404);
    expect((await raw(service, 'POST', `/v1/tokens/${id}/rotate`, { json: {} })).status).toBe(404);
  });
});

describe('the status shown', () => {
  it('follows the workflow and the creator, and comes back with them', async () => {
    const member = await service.makeMember('member');
    await service.makeWorkflow('moody');
    const minted = await service.client(member.token).tokens.mint({ ...MINT, workflow: 'moody' });
    const status = async () => (await service.client().tokens.show(minted.id)).status;
    expect(await status()).toBe('active');
    await service.client().workflows.pause('moody');
    expect(await status()).toBe('suspended');
    await service.client().workflows.resume('moody');
    expect(await status()).toBe('active');
    await service.client().members.suspend(member.id);
    expect(await status()).toBe('suspended');
    await service.client().members.reactivate(member.id);
    expect(await status()).toBe('active');
    await service.client().members.remove(member.id);
    const removed = await service.client().tokens.show(minted.id);
    expect(removed).toMatchObject({ status: 'revoked', revoked_reason: 'owner_left' });
  });

  it('is expired at the very second of its end, and active one before', async () => {
    const own = await createTestService();
    try {
      const { token } = await own.seedToken({ expires_in_days: 7, scopes: ['tokens:introspect'] });
      const long = await own.seedToken({ expires_in_days: 30, scopes: ['tokens:introspect', 'tokens:read'] });
      const { id } = await own.client(token).tokens.show('self');
      own.clock.advance(7 * DAY - 1);
      expect(await own.client(long.token).introspect(token)).toMatchObject({ active: true });
      own.clock.advance(1);
      expect(await own.client(long.token).introspect(token)).toEqual({ active: false });
      expect((await own.client(long.token).tokens.show(id)).status).toBe('expired');
      expect((await raw(own, 'GET', '/v1/me', { token })).status).toBe(401);
    } finally {
      await own.close();
    }
  });
});

describe('listing', () => {
  let own: TestService;
  let ids: string[];
  const statusesOf = async (query: string) => {
    const answer = await raw(own, 'GET', `/v1/tokens?${query}`);
    return { status: answer.status, ids: (answer.json.data ?? []).map((one: { id: string }) => one.id) };
  };

  beforeAll(async () => {
    own = await createTestService();
    await own.makeWorkflow('nightly');
    await own.makeWorkflow('weekly');
    ids = [];
    for (let at = 0; at < 7; at += 1) {
      own.clock.advance(1);
      const workflow = at % 2 === 0 ? 'nightly' : 'weekly';
      ids.unshift((await own.seedToken({ workflow, expires_in_days: at < 3 ? 7 : 30 })).id);
    }
  });
  afterAll(() => own.close());

  it('goes newest first, page by page, each token once', async () => {
    const seen: string[] = [];
    for await (const token of everyPage((cursor) => own.client().tokens.list({ limit: 2, cursor })))
      seen.push(token.id);
    expect(seen).toEqual([...ids, printId('tok', own.owner.tokenId)]);
  });

  it('a page that is exactly full is the last one when nothing follows', async () => {
    const page = await own.client().tokens.list({ limit: ids.length + 1 });
    expect(page.data).toHaveLength(ids.length + 1);
    expect(page.next_cursor).toBeNull();
  });

  it('pages do not shift when tokens are minted meanwhile', async () => {
    const first = await own.client().tokens.list({ limit: 3, workflow: 'nightly' });
    await own.makeWorkflow('other');
    const late = await own.seedToken({ workflow: 'other' });
    const second = await own.client().tokens.list({
      limit: 3,
      workflow: 'nightly',
      cursor: first.next_cursor ?? undefined,
    });
    const seen = [...first.data, ...second.data].map((token) => token.id);
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).not.toContain(late.id);
    await own.client().tokens.revoke(late.id, { reason: 'other' });
  });

  it('is narrowed by workflow', async () => {
    const { ids: found } = await statusesOf('workflow=weekly');
    expect(found).toEqual([ids[1], ids[3], ids[5]]);
    expect(await statusesOf('workflow=nowhere')).toEqual({ status: 200, ids: [] });
  });

  it('is narrowed by who made a token and by who owns it', async () => {
    const maker = await own.makeMember('member');
    const keeper = await own.makeMember('member');
    const minted = await own.client(maker.token).tokens.mint(MINT);
    await own.client().tokens.transfer(minted.id, { owner_id: keeper.id });
    expect((await statusesOf(`creator=${maker.id}&workflow=nightly`)).ids).toEqual([minted.id]);
    expect((await statusesOf(`owner=${maker.id}&workflow=nightly`)).ids).toEqual([]);
    expect((await statusesOf(`owner=${keeper.id}&workflow=nightly`)).ids).toEqual([minted.id]);
    await own.client().tokens.revoke(minted.id, { reason: 'other' });
  });

  it('is narrowed by status', async () => {
    const { id } = await own.seedToken({ workflow: 'weekly' });
    const successor = await own.client().tokens.rotate(id);
    expect((await statusesOf('status=rotating')).ids).toEqual([id]);
    await own.client().tokens.revoke(id, { reason: 'rotated' });
    expect((await statusesOf('status=rotating')).ids).toEqual([]);
    expect((await statusesOf('status=revoked&workflow=weekly')).ids).toEqual([id]);
    await own.client().tokens.revoke(successor.id, { reason: 'other' });
  });

  it('is narrowed by expiry, the instant itself left out', async () => {
    const third = await own.client().tokens.show(ids[4] ?? '');
    const before = await statusesOf(`expires_before=${third.expires_at}&workflow=nightly`);
    expect(before.ids).toEqual([ids[6]]);
    const after = new Date(Date.parse(third.expires_at) + 1).toISOString();
    expect((await statusesOf(`expires_before=${after}&workflow=nightly`)).ids).toEqual([ids[4], ids[6]]);
  });

  it('is narrowed by disuse: last used before, or minted before and never used', async () => {
    const { token } = await own.seedToken({ workflow: 'weekly' });
    own.clock.advance(60);
    const since = own.clock.now().toISOString();
    const unused = (await statusesOf(`unused_since=${since}&workflow=weekly`)).ids.length;
    await own.client().introspect(token);
    expect((await statusesOf(`unused_since=${since}&workflow=weekly`)).ids).toHaveLength(unused - 1);
    await own.client(null).revoke(token);
  });

  it('takes times with an offset', async () => {
    expect((await statusesOf(`expires_before=${encodeURIComponent('2999-01-01T00:00:00+02:00')}&limit=1`)).status).toBe(
      200,
    );
  });

  it.each(['creator', 'owner'])('%s that is nobody has no tokens', async (who) => {
    expect(await statusesOf(`${who}=mem_${NOBODY}`)).toEqual({ status: 200, ids: [] });
    expect(await statusesOf(`${who}=mem_${TOO_LARGE}`)).toEqual({ status: 200, ids: [] });
  });

  it('both filters for people count, whichever of them is nobody', async () => {
    const me = printId('mem', own.owner.member.id);
    expect((await statusesOf(`creator=${me}&owner=mem_${TOO_LARGE}`)).ids).toEqual([]);
    expect((await statusesOf(`creator=mem_${TOO_LARGE}&owner=${me}`)).ids).toEqual([]);
    expect((await statusesOf(`creator=${me}&owner=${me}`)).ids.length).toBeGreaterThan(0);
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=-1', 'limit'],
    ['limit=abc', 'limit'],
    ['limit=1e2', 'limit'],
    ['limit=', 'limit'],
    ['limit=%2050', 'limit'],
    ['limit=5&limit=5', 'limit'],
    ['page=2', 'page'],
    ['status=dead', 'status'],
    ['status=', 'status'],
    ['creator=ada', 'creator'],
    [`creator=tok_${NOBODY}`, 'creator'],
    ['expires_before=tomorrow', 'expires_before'],
    ['unused_since=2026-01-01', 'unused_since'],
    ['workflow=Nightly', 'workflow'],
    ['cursor=abc', 'cursor'],
    ['cursor=', 'cursor'],
    ['cursor=%00', 'cursor'],
    [`cursor=${'a'.repeat(600)}`, 'cursor'],
  ])('refuses %s', async (query, name) => {
    expect(fault(await raw(own, 'GET', `/v1/tokens?${query}`))).toEqual({ status: 422, at: [`#/${name}`] });
  });

  it.each([1, 200])('takes a limit of %i', async (limit) => {
    expect((await raw(own, 'GET', `/v1/tokens?limit=${limit}`)).status).toBe(200);
  });

  it('a cursor is good for its own list alone, and only as it was given', async () => {
    const cursorOf = async (path: string) => (await raw(own, 'GET', `${path}?limit=1`)).json.next_cursor as string;
    const own1 = await cursorOf('/v1/tokens');
    const forged = [
      await cursorOf('/v1/workflows'),
      await cursorOf('/v1/members'),
      `${own1}!`,
      `${own1} `,
      own1.slice(0, -4),
      Buffer.from('tokens:').toString('base64url'),
      Buffer.from(`tokens:tok_${TOO_LARGE}`).toString('base64url'),
      Buffer.from(`tokens:mem_${NOBODY}`).toString('base64url'),
      Buffer.from(`tokens:tok_${NOBODY}\u0000`).toString('base64url'),
      Buffer.from("tokens:' or 1=1 --").toString('base64url'),
    ];
    for (const cursor of forged) {
      const answer = await raw(own, 'GET', `/v1/tokens?cursor=${encodeURIComponent(cursor)}`);
      expect([cursor, fault(answer)]).toEqual([cursor, { status: 422, at: ['#/cursor'] }]);
    }
  });
});

describe('who sees which tokens', () => {
  it('a member sees what it made or owns; admin and auditor see all', async () => {
    const [ada, bob, admin, auditor] = await Promise.all([
      service.makeMember('member'),
      service.makeMember('member'),
      service.makeMember('admin'),
      service.makeMember('auditor'),
    ]);
    const made = await service.client(ada.token).tokens.mint(MINT);
    const given = await service.client(bob.token).tokens.mint(MINT);
    const hidden = await service.client(bob.token).tokens.mint(MINT);
    await service.client().tokens.transfer(given.id, { owner_id: ada.id });
    const seen = async (token: string) => {
      const page = await service.client(token).tokens.list({ workflow: 'nightly', limit: 200 });
      return page.data.map((one) => one.id);
    };
    expect(new Set(await seen(ada.token))).toEqual(new Set([made.id, given.id]));
    for (const { token } of [admin, auditor]) {
      expect(await seen(token)).toEqual(expect.arrayContaining([made.id, given.id, hidden.id]));
    }
    expect((await raw(service, 'GET', `/v1/tokens/${hidden.id}`, { token: ada.token })).status).toBe(404);
    expect((await list(`creator=${bob.id}`, ada.token)).json.data.map((one: { id: string }) => one.id)).toEqual([
      given.id,
    ]);
  });
});

describe('handing over', () => {
  it('changes who is accountable, never who made it, and revives nothing', async () => {
    const [maker, keeper] = [await service.makeMember('member'), await service.makeMember('member')];
    const minted = await service.client(maker.token).tokens.mint(MINT);
    const moved = await service.client().tokens.transfer(minted.id, { owner_id: keeper.id });
    expect(moved).toMatchObject({ creator: { id: maker.id }, owner: { id: keeper.id }, status: 'active' });
    await service.client().members.suspend(maker.id);
    const again = await service.client().tokens.transfer(minted.id, {
      owner_id: printId('mem', service.owner.member.id),
    });
    expect(again.status).toBe('suspended');
    expect(await service.client().introspect(minted.token)).toEqual({ active: false });
    await service.client().members.remove(maker.id);
    const late = await raw(service, 'POST', `/v1/tokens/${minted.id}/transfer`, { json: { owner_id: keeper.id } });
    expect(late.status).toBe(409);
  });

  it.each([
    ['nobody', `mem_${NOBODY}`],
    ['an id that is too large', `mem_${TOO_LARGE}`],
    ['a token', `tok_${NOBODY}`],
    ['an e-mail address', 'ada@acme.example'],
  ])('refuses %s as owner', async (_, owner) => {
    const { id } = await service.seedToken();
    const answer = await raw(service, 'POST', `/v1/tokens/${id}/transfer`, { json: { owner_id: owner } });
    expect(fault(answer)).toEqual({ status: 422, at: ['#/owner_id'] });
  });

  it('refuses a person of another workspace, and one who is not active', async () => {
    const { id } = await service.seedToken();
    const foreign = await service.makeWorkspace('elsewhere');
    const invited = await service.client().members.invite({ email: 'later@acme.example', role: 'member' });
    const suspended = await service.makeMember('member');
    await service.client().members.suspend(suspended.id);
    for (const owner of [printId('mem', foreign.member.id), invited.id, suspended.id]) {
      const answer = await raw(service, 'POST', `/v1/tokens/${id}/transfer`, { json: { owner_id: owner } });
      expect(fault(answer)).toEqual({ status: 422, at: ['#/owner_id'] });
    }
  });

  it('a member hands nothing over: 403', async () => {
    const [ada, bob] = [await service.makeMember('member'), await service.makeMember('member')];
    const { id } = await service.client(ada.token).tokens.mint(MINT);
    const answer = await raw(service, 'POST', `/v1/tokens/${id}/transfer`, {
      token: ada.token,
      json: { owner_id: bob.id },
    });
    expect(answer.status).toBe(403);
  });
});

describe('who calls', () => {
  it('tells who it is, where, and what it may do: its role cut by its token', async () => {
    const admin = await service.makeMember('admin');
    const minted = await service.client(admin.token).tokens.mint({ ...MINT, scopes: ['tokens:read', 'repo:read'] });
    const me = await service.client(minted.token).me();
    expect(me).toMatchObject({ id: admin.id, role: 'admin', status: 'active', permissions: ['tokens:read'] });
    expect(me.workspace).toEqual({
      id: printId('ws', service.owner.workspace.id),
      slug: service.owner.workspace.slug,
    });
    expect(me.token).toMatchObject({ id: minted.id, scopes: ['tokens:read', 'repo:read'] });
  });

  it('a role that is taken back cuts the tokens that are out, at once', async () => {
    const admin = await service.makeMember('admin');
    const minted = await service.client(admin.token).tokens.mint({ ...MINT, scopes: ['audit:read', 'tokens:read'] });
    expect((await raw(service, 'GET', '/v1/audit-events', { token: minted.token })).status).toBe(200);
    await service.client().members.patch(admin.id, { role: 'member' });
    expect((await raw(service, 'GET', '/v1/audit-events', { token: minted.token })).status).toBe(403);
    expect((await service.client(minted.token).me()).permissions).toEqual(['tokens:read']);
  });

  it.each([
    ['no header', undefined, ''],
    ['an empty one', '', ', error="invalid_token"'],
    ['Bearer alone', 'Bearer', ', error="invalid_token"'],
    ['another scheme', 'Token abc', ', error="invalid_token"'],
    ['noise', 'Bearer cst_noise', ', error="invalid_token"'],
    ['a token that nobody has', `Bearer cst_${NOBODY}_${'0'.repeat(49)}`, ', error="invalid_token"'],
  ])('%s: 401 with a challenge (RFC 6750 section 3)', async (_, authorization, error) => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const [method, path] of [
      ['GET', '/v1/me'],
      ['GET', '/v1/tokens'],
      ['POST', '/v1/tokens'],
      ['GET', '/v1/tokens/self'],
      ['POST', '/v1/tokens/self/rotate'],
      ['POST', '/v1/tokens/self/revoke'],
      ['POST', '/v1/revocations'],
    ] as const) {
      const answer = await raw(service, method, path, { token: null, headers });
      expect([path, answer.status]).toEqual([path, 401]);
      expect(answer.headers.get('www-authenticate')).toBe(`Bearer realm="countersign"${error}`);
      expect(answer.json).toMatchObject({ status: 401, instance: path });
    }
  });

  it('a use is on the token: when, from where, and by whom it was asked about', async () => {
    const { id, token } = await service.seedToken();
    const runner = await service.seedToken({ scopes: ['tokens:introspect'] });
    await service.client(runner.token, '198.51.100.7').introspect(token);
    expect(await service.client().tokens.show(id)).toMatchObject({
      last_used_at: service.clock.now().toISOString(),
      last_used_ip: '198.51.100.7',
      last_used_by: runner.id,
    });
    const first = await service.seedToken();
    await service.client(first.token, '198.51.100.8').me();
    expect(await service.client().tokens.show(first.id)).toMatchObject({
      last_used_ip: '198.51.100.8',
      last_used_by: null,
    });
  });
});

/** Does what it is given while no further hash finds a place: each that ends is followed by another at once. */
async function whileFull<T>(secrets: Secrets, work: () => Promise<T>): Promise<T> {
  let isOver = false;
  const hashing = Array.from({ length: HASHES_THAT_RUN_OR_WAIT }, async () => {
    while (!isOver) await secrets.hash(newTokenSecret());
  });
  try {
    return await work();
  } finally {
    isOver = true;
    await Promise.all(hashing);
  }
}
