import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeBase62, newId, printId, printToken } from '../../src/rules/format.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { halvesOf, raw } from './raw.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const ask = (token: string, headers: Record<string, string> = {}) =>
  raw(service, 'POST', '/oauth2/introspect', { form: { token }, headers });

describe('introspection', () => {
  it('tells of an active token (RFC 7662 section 2.2)', async () => {
    await service.makeWorkflow('bound', {
      allowed_scopes: ['repo:*', 'codex:*'],
      constraints: { networks: ['10.0.0.0/8'] },
    });
    const { id, token } = await service.seedToken({
      workflow: 'bound',
      scopes: ['codex:exec', 'repo:read'],
      constraints: { repositories: ['acme/shop'] },
    });
    const answer = await ask(token);
    const iat = service.clock.now().getTime() / 1000;
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      active: true,
      iss: ISSUER,
      sub: printId('mem', service.owner.member.id),
      username: service.owner.member.email,
      client_id: 'bound',
      scope: 'codex:exec repo:read',
      token_type: 'Bearer',
      iat,
      nbf: iat,
      exp: iat + 30 * 86_400,
      jti: id,
      workspace_id: printId('ws', service.owner.workspace.id),
      workspace: service.owner.workspace.slug,
      workflow: 'bound',
      authorization_details: [{ type: 'agent_exec', repositories: ['acme/shop'], networks: ['10.0.0.0/8'] }],
    });
  });

  it('of a token that nothing constrains has no authorization details', async () => {
    const { token } = await service.seedToken();
    expect((await ask(token)).json.authorization_details).toEqual([]);
  });

  it("shows the workflow's constraints of today, at once", async () => {
    await service.makeWorkflow('tightened');
    const { token } = await service.seedToken({ workflow: 'tightened' });
    const constraints = { refs: ['refs/heads/main'] };
    await service.makeWorkflow('tightened', { allowed_scopes: ['repo:*'], constraints });
    expect((await ask(token)).json.authorization_details).toEqual([{ type: 'agent_exec', ...constraints }]);
  });

  it('a revoked token is inactive at once (RFC 7009 section 2)', async () => {
    const { token } = await service.seedToken();
    await service.client(null).revoke(token);
    expect(await service.client().introspect(token)).toEqual({ active: false });
  });

  it.each<[string, (token: { id: string }, creator: { id: string }) => Promise<unknown>]>([
    ['its own revocation', ({ id }) => service.client().tokens.revoke(id, { reason: 'leaked' })],
    ["its lineage's", ({ id }) => service.client().tokens.revokeMany({ reason: 'leaked', lineage_id: id })],
    ["its workflow's", () => service.client().tokens.revokeMany({ reason: 'leaked', workflow: 'ending' })],
    ["its creator's", (_, { id }) => service.client().tokens.revokeMany({ reason: 'leaked', creator_id: id })],
    ['a pause of its workflow', () => service.client().workflows.pause('ending')],
    ['a suspension of its creator', (_, { id }) => service.client().members.suspend(id)],
    ['a removal of its creator', (_, { id }) => service.client().members.remove(id)],
  ])('says active before and never after %s was answered', async (_, end) => {
    await service.makeWorkflow('ending');
    await service.client().workflows.resume('ending');
    const creator = await service.makeMember('member');
    const minted = await service
      .client(creator.token)
      .tokens.mint({ workflow: 'ending', scopes: ['repo:read'], expires_in_days: 7 });
    expect((await ask(minted.token)).json.active).toBe(true);
    await end(minted, creator);
    expect((await ask(minted.token)).text).toBe('{"active":false}');
  });
});

describe('every inactive answer', () => {
  it('is the same, byte for byte and header for header', async () => {
    const own = await createTestService();
    try {
      await own.makeWorkflow('nightly');
      await own.makeWorkflow('halted');
      const admin = await own.seedToken({ scopes: ['workspace:admin'], expires_in_days: 90 });
      const client = own.client(admin.token);
      const [gone, away] = [await own.makeMember('member'), await own.makeMember('member')];
      const mintBy = (token: string) =>
        own.client(token).tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 90 });
      const later = new Date(own.clock.now().getTime() + 30 * 86_400_000).toISOString();

      const expired = await own.seedToken({ expires_in_days: 7 });
      const early = await own.seedToken({ not_before: later, expires_in_days: 60 });
      const revoked = await own.seedToken();
      const superseded = await own.seedToken();
      const replaced = await own.client().tokens.rotate(superseded.id, { overlap_seconds: 0 });
      await own.client().tokens.rotate(superseded.id);
      const halted = await own.seedToken({ workflow: 'halted' });
      const [removed, suspended] = [await mintBy(gone.token), await mintBy(away.token)];
      const foreign = await own.makeWorkspace('foreign');
      const shut = await own.makeWorkspace('shut');
      const { invitation } = await own.client().members.invite({ email: 'x@acme.example', role: 'member' });
      await client.tokens.revoke(revoked.id, { reason: 'leaked' });
      await client.workflows.pause('halted');
      await client.members.remove(gone.id);
      await client.members.suspend(away.id);
      await own.db.sql`update workspaces set suspended_at = now() where id = ${shut.workspace.id}`;
      own.clock.advance(7 * 86_400);

      const { id, tokenSecret } = halvesOf(admin.token);
      const printed: Record<string, string> = {
        unknown: printToken({ id: newId('tok', own.clock.now()), tokenSecret }),
        'a wrong secret': printToken({ id, tokenSecret: halvesOf(early.token).tokenSecret }),
        malformed: 'noise',
        'a wrong checksum': `${admin.token.slice(0, -1)}${admin.token.endsWith('0') ? '1' : '0'}`,
        'an id that is too large': `cst_${'z'.repeat(22)}_${encodeBase62(1n, 49)}`,
        'with white space': `${admin.token} `,
        'very long': 'x'.repeat(60_000),
        'not ASCII': 'café\u0000🚀',
        expired: expired.token,
        'not yet valid': early.token,
        revoked: revoked.token,
        superseded: superseded.token,
        'with a secret that was replaced': replaced.token,
        paused: halted.token,
        'of a removed creator': removed.token,
        'of a suspended creator': suspended.token,
        'of another workspace': foreign.printed,
        'of a suspended workspace': shut.printed,
        'an invitation': invitation,
      };
      const answers = await Promise.all(
        Object.entries(printed).map(async ([state, token]) => {
          const answer = await raw(own, 'POST', '/oauth2/introspect', {
            token: admin.token,
            form: { token },
            headers: { 'x-request-id': 'same' },
          });
          return { state, status: answer.status, text: answer.text, headers: [...answer.headers] };
        }),
      );
      const [first] = answers;
      expect(first).toMatchObject({ status: 200, text: '{"active":false}' });
      for (const answer of answers) expect(answer).toEqual({ ...first, state: answer.state });
      expect(Object.fromEntries(first?.headers ?? [])).toEqual({
        'cache-control': 'no-store',
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-request-id': 'same',
      });
    } finally {
      await own.close();
    }
  });
});

describe('who may ask', () => {
  it('Bearer with tokens:introspect or exec:check; others about themselves alone', async () => {
    const { token, id } = await service.seedToken();
    await service.makeWorkflow('askers', { allowed_scopes: ['tokens:*'] });
    for (const scope of ['tokens:introspect', 'exec:check', 'tokens:*', 'workspace:admin']) {
      const asker = await service.seedToken({ workflow: 'askers', scopes: [scope] });
      expect(await service.client(asker.token).introspect(token)).toMatchObject({ active: true, jti: id });
    }
    const other = await service.seedToken();
    const refused = await raw(service, 'POST', '/oauth2/introspect', { token: other.token, form: { token } });
    expect([refused.status, refused.json.error]).toEqual([403, 'insufficient_scope']);
    expect(await service.client(other.token).introspect(other.token)).toMatchObject({ active: true, jti: other.id });
  });

  it('learns nothing by the refusal: it is the same for a token that lives and for noise', async () => {
    const { token } = await service.seedToken();
    const other = await service.seedToken();
    const answers = await Promise.all(
      [token, 'noise', service.owner.printed].map((subject) =>
        raw(service, 'POST', '/oauth2/introspect', {
          token: other.token,
          form: { token: subject },
          headers: { 'x-request-id': 'same' },
        }),
      ),
    );
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.map((answer) => answer.status)).toEqual([403, 403, 403]);
  });

  it('nobody whose role may not, though the token holds the scope', async () => {
    const auditor = await service.makeMember('auditor');
    const { token } = await service.seedToken();
    expect(await service.client(auditor.token).introspect(token)).toMatchObject({ active: true });
    await service.client().members.patch(auditor.id, { role: 'member' });
    const refused = await raw(service, 'POST', '/oauth2/introspect', { token: auditor.token, form: { token } });
    expect(refused.status).toBe(403);
  });

  const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

  it('HTTP Basic with the public id and the token', async () => {
    const asker = await service.seedToken({ scopes: ['tokens:introspect'] });
    const { token } = await service.seedToken();
    const answer = await ask(token, { authorization: basic(asker.id, asker.token) });
    expect([answer.status, answer.json.active]).toEqual([200, true]);
  });

  it('HTTP Basic with anything else: 401 that asks for Basic', async () => {
    const [asker, other] = [
      await service.seedToken({ scopes: ['tokens:introspect'] }),
      await service.seedToken({ scopes: ['tokens:introspect'] }),
    ];
    const { token } = await service.seedToken();
    for (const authorization of [
      basic(other.id, asker.token),
      basic('', asker.token),
      basic(asker.id, ''),
      basic(asker.id, token),
      basic(asker.token, asker.id),
      'Basic !!!',
      'Basic ',
    ]) {
      const answer = await ask(token, { authorization });
      expect([authorization.length, answer.status]).toEqual([authorization.length, 401]);
      expect(answer.headers.get('www-authenticate')).toBeTruthy();
    }
  });

  it('nobody without credentials, whatever it asks: 401 with a challenge', async () => {
    for (const form of ['', 'token=noise', `token=${service.owner.printed}`]) {
      const answer = await raw(service, 'POST', '/oauth2/introspect', { token: null, form });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="countersign"');
    }
  });
});

describe('a request that is none: 400 invalid_request', () => {
  it.each([
    ['no token', ''],
    ['an empty token', 'token='],
    ['a repeated token', 'token=a&token=b'],
    ['a token and an empty one', 'token=a&token='],
    ['a repeated hint', 'token=a&token_type_hint=x&token_type_hint=x'],
  ])('%s', async (_, form) => {
    const answer = await raw(service, 'POST', '/oauth2/introspect', { form });
    expect([answer.status, answer.json.error]).toEqual([400, 'invalid_request']);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});
