import { createHmac, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { printId } from '../../src/rules/format.js';
import type { PolicyRequest, TrustRuleRequest } from '../../src/sdk/index.js';
import { createLoopbackIssuer, type LoopbackIssuer, makeIssuerKey, publicJwk } from '../setup/loopback-issuer.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { BUILDKITE_BUILD, GITHUB_PUSH, GITLAB_DEPLOY, KUBERNETES_POD, RULES } from '../setup/trust.js';

let service: TestService;
let issuer: LoopbackIssuer;
const opened: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  service = await createTestService({ allowedPrivateNetworks: ['127.0.0.0/8'] });
  issuer = await createLoopbackIssuer(() => service.clock.now());
  await service.makeWorkflow('nightly', { allowed_scopes: ['repo:*', 'codex:exec'] });
});
// A rule of one test must not be what another one's job is let in by.
afterEach(async () => {
  for (const { name } of (await rules().list()).data) await rules().remove(name);
});
afterAll(async () => {
  for (const one of opened) await one.close();
  await service.close();
  await issuer.close();
});

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const NOT_TAKEN = { error: 'invalid_grant', error_description: 'no trust rule takes the subject token' };
const rules = () => service.client().trustRules;
const job = (claims: Record<string, unknown> = {}) => issuer.sign({ ...GITHUB_PUSH, aud: ISSUER, ...claims });
const setRule = (rule: Partial<TrustRuleRequest> = {}, name = 'shop') =>
  rules().put(name, { ...RULES.github_actions, issuer: issuer.url, ...rule });
let addresses = 0;
/** Each from a network of its own: what is refused is counted by network. */
const exchange = (subject: string, form: Record<string, string> = {}, at = service): Promise<Answered> => {
  addresses += 1;
  return send(at, 'POST', '/oauth2/token', {
    token: null,
    address: `198.51.${addresses >> 8}.${addresses & 255}`,
    form: new URLSearchParams({
      grant_type: GRANT,
      subject_token: subject,
      subject_token_type: JWT,
      ...form,
    }).toString(),
  });
};
const tokenOf = (answer: Answered) => String(answer.body['access_token']);
const isActive = async (token: string) => (await service.client().introspect(token)).active;

describe('a job that a rule takes', () => {
  it('gets a token of the workflow, for as long as the rule says, and narrowed to where it runs', async () => {
    await setRule({ expires_in_seconds: 900 });
    const answer = await exchange(await job());
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toEqual({
      access_token: expect.stringMatching(/^cst_/),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 900,
      scope: 'repo:read',
      authorization_details: [{ type: 'agent_exec', repositories: ['octo/shop'], refs: ['refs/heads/main'] }],
    });
    const { token } = await service.client(tokenOf(answer)).me();
    expect(token).toMatchObject({
      name: 'octo/shop 1658821493',
      workflow: 'nightly',
      status: 'active',
      creator: { id: printId('mem', service.owner.member.id) },
      owner: { id: printId('mem', service.owner.member.id) },
      scopes: ['repo:read'],
      constraints: { repositories: ['octo/shop'], refs: ['refs/heads/main'] },
    });
    service.clock.advance(900);
    expect(await isActive(tokenOf(answer))).toBe(false);
  });

  it('gets none that the policy of the workspace does not allow, and its own is not spent by that', async () => {
    await setRule();
    const subject = await job();
    const { policy } = service.client();
    try {
      const bounded: [PolicyRequest, string][] = [
        [{ allowed_scopes: ['codex:*'] }, 'does not allow repo:read'],
        [{ allowed_repositories: ['acme/*'] }, 'reaches repositories beyond'],
        [{ required_constraints: ['environments'] }, 'asks for a bound on environments'],
      ];
      for (const [bounds, words] of bounded) {
        await policy.put(bounds);
        const refused = await exchange(subject);
        expect([refused.status, refused.body['error']]).toEqual([400, 'invalid_grant']);
        expect(refused.body['error_description']).toContain(words);
      }
      await policy.put({ enforcement: 'block', max_tokens_per_workflow: 1, longest_expiry_days: 1 });
      await service.client().tokens.revokeMany({ reason: 'unused', workflow: 'nightly' });
      const given = await exchange(subject);
      expect(await isActive(tokenOf(given))).toBe(true);
      expect((await exchange(await job())).body['error_description']).toContain('the workflow has as many tokens');
    } finally {
      await policy.remove();
    }
  });

  it('is on record with what it proved, never with its token', async () => {
    const { id: ruleId } = await setRule();
    const subject = await job({ sub: 'repo:octo/shop:\u202eref\u0000' });
    const answer = await exchange(subject);
    const { token } = await service.client(tokenOf(answer)).me();
    const [event] = (await service.client().auditEvents({ target: token.id })).data;
    expect(event).toMatchObject({
      action: 'token.minted',
      actor: { type: 'system', id: ruleId },
      ip: expect.any(String),
    });
    expect(event?.data).toMatchObject({
      workflow: 'nightly',
      scopes: ['repo:read'],
      trust_rule: 'shop',
      issuer: issuer.url,
      subject: 'repo:octo/shop:\ufffdref\ufffd',
      claims: {
        repository_id: '74',
        repository: 'octo/shop',
        ref: 'refs/heads/main',
        event_name: 'push',
        run_id: '1658821493',
        run_attempt: '2',
        actor: 'octocat',
      },
    });
    const [, , signature = ''] = subject.split('.');
    expect(JSON.stringify(event)).not.toContain(signature);
    expect(service.log.join('')).not.toContain(signature);
  });

  it.each<[string, Record<string, unknown>, Partial<TrustRuleRequest>, string]>([
    ['GitLab CI', GITLAB_DEPLOY, RULES.gitlab_ci, 'my-group/my-project 302'],
    ['Buildkite, without a jti', { ...BUILDKITE_BUILD, jti: undefined }, RULES.buildkite, 'super-app 1'],
    [
      'Kubernetes, with a list of one audience',
      { ...KUBERNETES_POD, aud: [ISSUER] },
      { ...RULES.kubernetes, issuer: undefined },
      'agent agent-x7k2p',
    ],
  ])('comes from %s too', async (_, claims, rule, name) => {
    await rules().put('one', {
      ...RULES.github_actions,
      ...rule,
      events: undefined,
      issuer: issuer.url,
    } as TrustRuleRequest);
    const subject = await issuer.sign({ aud: ISSUER, ...claims });
    const answer = await exchange(subject, { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' });
    expect(answer.status).toBe(200);
    expect((await service.client(tokenOf(answer)).me()).token.name).toBe(name);
    expect((await exchange(subject)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('gets what it asks for, if that is less', async () => {
    await setRule({ scopes: ['repo:*', 'codex:exec'] });
    expect((await exchange(await job(), { scope: 'repo:read' })).body).toMatchObject({ scope: 'repo:read' });
    const more = await exchange(await job(), { scope: 'repo:read deploy:run' });
    expect(more.body).toMatchObject({ error: 'invalid_scope' });
    expect((await exchange(await job(), { scope: 'repo' })).body).toMatchObject({ error: 'invalid_scope' });
  });

  it('can start what the token is for: an exec check by itself is allowed in its place alone', async () => {
    await setRule();
    const client = service.client(tokenOf(await exchange(await job())));
    const check = (context: Record<string, string>) =>
      client.execChecks.check({ workflow: 'nightly', scopes: ['repo:read'], context });
    expect((await check({ repository: 'octo/shop', ref: 'refs/heads/main' })).decision).toBe('allow');
    expect((await check({ repository: 'octo/shop', ref: 'refs/heads/other' })).decision).toBe('deny');
  });

  it('has a token that is not rotated into a longer one', async () => {
    await setRule();
    const { token } = await service.client(tokenOf(await exchange(await job()))).me();
    expect((await send(service, 'POST', `/v1/tokens/${token.id}/rotate`, { json: {} })).status).toBe(409);
  });

  it('is let in by a key that the rule brings, without asking anybody', async () => {
    const key = await makeIssuerKey('EdDSA');
    const unreachable = 'https://kubernetes.default.svc';
    await setRule({ issuer: unreachable, jwks: { keys: [publicJwk(key)] } });
    const asked = issuer.asked.length;
    const claims = { ...GITHUB_PUSH, aud: ISSUER, iss: unreachable };
    expect((await exchange(await issuer.sign(claims, { key }))).status).toBe(200);
    expect((await exchange(await issuer.sign(claims))).body).toEqual(NOT_TAKEN);
    expect(issuer.asked).toHaveLength(asked);
  });

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('may be signed with %s', async (alg) => {
    await setRule();
    const key = await makeIssuerKey(alg);
    issuer.keys = [issuer.key.publicJwk, key.publicJwk];
    service.clock.advance(600);
    expect((await exchange(await issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { key }))).status).toBe(200);
    issuer.keys = [issuer.key.publicJwk];
    service.clock.advance(600);
  });
});

describe('while the keys of an issuer cannot be asked for', () => {
  const away = async () => {
    const one = await createLoopbackIssuer(() => service.clock.now());
    opened.push(one);
    one.intercept = (_, response) => {
      response.writeHead(500).end();
      return true;
    };
    const signed = (claims: Record<string, unknown> = {}) => one.sign({ ...GITHUB_PUSH, aud: ISSUER, ...claims });
    return { one, signed };
  };
  const told = ({ status, headers, body }: Answered) => [status, headers.get('retry-after'), body['error']];
  const NOT_KNOWN = [503, '5', 'temporarily_unavailable'];

  it('the answer is 503 and how long to wait, the same whatever the token claims, and it is not used up', async () => {
    const { one, signed } = await away();
    await setRule({ issuer: one.url });
    const token = await signed();
    expect(told(await exchange(token))).toEqual(NOT_KNOWN);
    expect(told(await exchange(await signed({ ref: 'refs/heads/other', repository_id: '1' })))).toEqual(NOT_KNOWN);
    expect(told(await exchange(`${(await signed()).slice(0, -8)}AAAAAAAA`))).toEqual(NOT_KNOWN);
    one.intercept = () => false;
    service.clock.advance(5);
    expect((await exchange(token)).status).toBe(200);
    expect((await exchange(await signed({ ref: 'refs/heads/other' }))).body).toEqual(NOT_TAKEN);
  });

  it('it is a plain no where no rule names the issuer and the audience, and nobody is asked', async () => {
    const { one, signed } = await away();
    expect((await exchange(await signed())).body).toEqual(NOT_TAKEN);
    await setRule({ issuer: one.url });
    expect((await exchange(await signed({ aud: 'https://elsewhere.example' }))).body).toEqual(NOT_TAKEN);
    const elsewhere = { audience: `${service.owner.workspace.slug}/other` };
    expect((await exchange(await signed(), elsewhere)).body).toEqual(NOT_TAKEN);
    expect(one.asked).toEqual([]);
  });

  it('a rule that brings the key itself takes the job, and one that brings another key does not hide it', async () => {
    const { one, signed } = await away();
    const key = await makeIssuerKey('EdDSA');
    await setRule({ issuer: one.url }, 'a');
    await setRule({ issuer: one.url, jwks: { keys: [publicJwk(key)] } }, 'b');
    const claims = { ...GITHUB_PUSH, aud: ISSUER, iss: one.url };
    expect((await exchange(await issuer.sign(claims, { key }))).status).toBe(200);
    expect(told(await exchange(await signed()))).toEqual(NOT_KNOWN);
  });

  it('no network is shut out for asking again', async () => {
    const { one, signed } = await away();
    await setRule({ issuer: one.url });
    const send60 = async () => {
      const form = { grant_type: GRANT, subject_token: await signed(), subject_token_type: JWT };
      const request = { token: null, address: '203.0.113.77', form: new URLSearchParams(form).toString() };
      return (await send(service, 'POST', '/oauth2/token', request)).status;
    };
    for (let asked = 0; asked < 61; asked += 1) expect(await send60()).toBe(503);
  });
});

describe('which rule', () => {
  it('the first by name within a workspace that takes it', async () => {
    await setRule({ scopes: ['codex:exec'] }, 'b');
    await setRule({ scopes: ['repo:read'] }, 'c');
    await setRule({ claims: { repository_id: '1', ref: 'refs/heads/main' } }, 'a');
    expect((await exchange(await job())).body).toMatchObject({ scope: 'codex:exec' });
    const slug = service.owner.workspace.slug;
    expect((await exchange(await job(), { audience: `${slug}/c` })).body).toMatchObject({ scope: 'repo:read' });
    expect((await exchange(await job(), { audience: `${slug}/a` })).body).toEqual(NOT_TAKEN);
    expect((await exchange(await job(), { audience: `${slug}/never-was` })).body).toEqual(NOT_TAKEN);
    expect((await exchange(await job(), { audience: slug })).body).toMatchObject({ error: 'invalid_target' });
  });

  it('none of another workspace by chance: where two mean the job, it has to say which, also when one gives nothing', async () => {
    const other = await service.makeWorkspace('exchange-other');
    const client = service.client(other.printed);
    await client.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    await client.trustRules.put('shop', { ...RULES.github_actions, issuer: issuer.url });
    await setRule();
    const ambiguous = { error: 'invalid_request', error_description: expect.stringContaining('audience') };
    expect((await exchange(await job())).body).toMatchObject(ambiguous);
    await service.client().workflows.pause('nightly');
    expect((await exchange(await job())).body).toMatchObject(ambiguous);
    await service.client().workflows.resume('nightly');
    const own = await exchange(await job(), { audience: `${service.owner.workspace.slug}/shop` });
    expect((await service.client(tokenOf(own)).me()).workspace.slug).toBe(service.owner.workspace.slug);
    const theirs = await exchange(await job(), { audience: 'exchange-other/shop' });
    expect((await service.client(tokenOf(theirs)).me()).workspace.slug).toBe('exchange-other');
    await client.trustRules.remove('shop');
  });
});

describe('a platform’s token is refused', () => {
  const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = () => Math.floor(service.clock.now().getTime() / 1000);
  const claims = () => ({
    ...GITHUB_PUSH,
    iss: issuer.url,
    aud: ISSUER,
    iat: now(),
    exp: now() + 300,
    jti: crypto.randomUUID(),
  });
  const NO_JWT = 'the subject token is no signed JWT of one issuer for one audience';

  it.each<[string, () => Promise<string> | string, string]>([
    ['unsigned', () => `${b64({ alg: 'none', kid: issuer.key.kid })}.${b64(claims())}.`, NO_JWT],
    [
      'unsigned, with a signature for show',
      () => `${b64({ alg: 'none', kid: issuer.key.kid })}.${b64(claims())}.AAAA`,
      NO_JWT,
    ],
    [
      'signed with the public key as a secret',
      () => {
        const signed = `${b64({ alg: 'HS256', kid: issuer.key.kid })}.${b64(claims())}`;
        const secret = JSON.stringify(issuer.key.publicJwk);
        return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
      },
      NO_JWT,
    ],
    ['of another type', () => issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { header: { typ: 'logout+jwt' } }), NO_JWT],
    [
      'with an extension that must be understood',
      () => issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { header: { crit: ['b64'], b64: true } }),
      NO_JWT,
    ],
    [
      'without the name of a key',
      () => issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { header: { kid: undefined } }),
      NO_JWT,
    ],
    ['for this service and for another', () => job({ aud: [ISSUER, 'https://elsewhere.example'] }), NO_JWT],
    ['for nobody', () => job({ aud: undefined }), NO_JWT],
    ['of 16 KiB and more', () => job({ padding: 'x'.repeat(13_000) }), NO_JWT],
    ['that is none', () => randomBytes(40).toString('base64url'), NO_JWT],
    ['that is a token of this service', () => service.owner.printed, NO_JWT],
    ['that has expired', () => job({ exp: now() - 60 }), 'the subject token has expired'],
    [
      'that says no end',
      () => job({ exp: undefined }),
      'the subject token does not say when it was made and when it ends',
    ],
    [
      'that says no beginning',
      () => job({ iat: undefined }),
      'the subject token does not say when it was made and when it ends',
    ],
    [
      'whose end is a text',
      () => job({ exp: String(now() + 60) }),
      'the subject token does not say when it was made and when it ends',
    ],
    ['that is of tomorrow', () => job({ iat: now() + 61 }), 'the subject token is not valid yet'],
    ['that is not valid yet', () => job({ nbf: now() + 61 }), 'the subject token is not valid yet'],
    [
      'that is older than an hour, whatever it says',
      () => job({ iat: now() - 3_661, exp: now() + 9_000 }),
      'the subject token was made more than an hour ago',
    ],
  ])('%s', async (_, subject, detail) => {
    await setRule();
    const answer = await exchange(await subject());
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual({ error: 'invalid_grant', error_description: detail });
  });

  it.each<[string, () => Promise<string>]>([
    [
      'signed with somebody else’s key under the name of the right one',
      async () => {
        const other = await makeIssuerKey();
        return issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { key: { ...other, kid: issuer.key.kid } });
      },
    ],
    [
      'signed with a key that nobody published',
      async () => issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { key: await makeIssuerKey() }),
    ],
    [
      'that brings its key along',
      async () => {
        const other = await makeIssuerKey();
        const header = { jwk: other.publicJwk, jku: `${issuer.url}/evil`, x5u: `${issuer.url}/evil` };
        return issuer.sign({ ...GITHUB_PUSH, aud: ISSUER }, { key: { ...other, kid: issuer.key.kid }, header });
      },
    ],
    [
      'whose claims were changed',
      async () => {
        const [head = '', , signature = ''] = (await job()).split('.');
        return `${head}.${b64(claims())}.${signature}`;
      },
    ],
    ['of an issuer with a slash', () => job({ iss: `${issuer.url}/` })],
    ['of an issuer in capitals', () => job({ iss: issuer.url.toUpperCase() })],
    ['of an issuer that nobody trusts', () => job({ iss: 'https://elsewhere.example' })],
    ['of an issuer that no database can hold', () => job({ iss: `${issuer.url}\u0000` })],
    ['of an issuer that is no text of characters', () => job({ iss: `${issuer.url}\ud800` })],
    ['for another audience', () => job({ aud: 'https://elsewhere.example' })],
    ['for an audience that no database can hold', () => job({ aud: `${ISSUER}\u0000` })],
    ['of a repository that took the name', () => job({ repository_id: '9000' })],
    ['of another branch', () => job({ ref: 'refs/heads/other' })],
    ['of a pull request', () => job({ event_name: 'pull_request_target' })],
  ])('%s, and it is not told why', async (_, subject) => {
    await setRule();
    const answer = await exchange(await subject());
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(NOT_TAKEN);
    expect(issuer.asked).not.toContain('/evil');
  });

  it('with a few seconds of difference between the clocks it is taken', async () => {
    await setRule();
    expect((await exchange(await job({ exp: now() - 59 }))).status).toBe(200);
    expect((await exchange(await job({ iat: now() + 60, nbf: now() + 60 }))).status).toBe(200);
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'another type of subject',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      'invalid_request',
    ],
    [
      'another type to get',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'invalid_request',
    ],
    ['somebody who acts for the job', { actor_token: 'a', actor_token_type: JWT }, 'invalid_request'],
    ['a resource', { resource: 'https://elsewhere.example' }, 'invalid_target'],
    ['two audiences in one', { audience: 'a/b/c' }, 'invalid_target'],
  ])('with %s', async (_, form, error) => {
    await setRule();
    expect((await exchange(await job(), form)).body).toMatchObject({ error });
  });

  it('with a parameter twice', async () => {
    await setRule();
    const form = `grant_type=${encodeURIComponent(GRANT)}&subject_token_type=${encodeURIComponent(JWT)}`;
    const subject = `subject_token=${await job()}`;
    const answer = await send(service, 'POST', '/oauth2/token', { token: null, form: `${form}&${subject}&${subject}` });
    expect(answer.body).toMatchObject({ error: 'invalid_request' });
  });

  it('many times, before anybody is asked: after 60 from one network a minute it has to wait', async () => {
    await setRule();
    const form = new URLSearchParams({ grant_type: GRANT, subject_token: 'noise', subject_token_type: JWT }).toString();
    const sending = { token: null, form, address: '203.0.113.9' };
    for (let at = 0; at < 60; at += 1) expect((await send(service, 'POST', '/oauth2/token', sending)).status).toBe(400);
    const limited = await send(service, 'POST', '/oauth2/token', sending);
    expect(limited.status).toBe(429);
    expect(limited.headers.get('retry-after')).not.toBeNull();
  });
});

describe('a platform’s token is good once', () => {
  it('on all nodes together, at the same moment', async () => {
    const second = await createTestService({
      database: service.database,
      keys: service.keys,
      at: service.clock.now(),
      allowedPrivateNetworks: ['127.0.0.0/8'],
    });
    opened.push(second);
    await setRule();
    for (let round = 0; round < 5; round += 1) {
      const subject = await job({ iat: Math.floor(second.clock.now().getTime() / 1000) });
      const answers = await Promise.all(
        [0, 1, 2, 3, 4, 5].map((at) => exchange(subject, {}, at % 2 ? second : service)),
      );
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      for (const { body } of answers.filter(({ status }) => status !== 200)) {
        expect(body).toMatchObject({
          error: 'invalid_grant',
          error_description: expect.stringContaining('exchanged before'),
        });
      }
    }
  });

  it('for all rules together', async () => {
    await setRule({}, 'a');
    await setRule({}, 'b');
    const subject = await job();
    const slug = service.owner.workspace.slug;
    expect((await exchange(subject, { audience: `${slug}/a` })).status).toBe(200);
    expect((await exchange(subject, { audience: `${slug}/b` })).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('and is not used up by a refusal', async () => {
    await setRule();
    const subject = await job();
    expect((await exchange(subject, { scope: 'deploy:run' })).body).toMatchObject({ error: 'invalid_scope' });
    expect((await exchange(subject)).status).toBe(200);
  });

  it('nor by what somebody else signs under the same issuer’s name', async () => {
    const key = await makeIssuerKey();
    const other = await service.makeWorkspace('exchange-forger');
    const client = service.client(other.printed);
    await client.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    const forged = { ...RULES.github_actions, issuer: issuer.url, jwks: { keys: [publicJwk(key)] } };
    await client.trustRules.put('forged', forged);
    await setRule();
    const jti = crypto.randomUUID();
    const audience = 'exchange-forger/forged';
    const theirs = await issuer.sign({ ...GITHUB_PUSH, aud: ISSUER, jti }, { key });
    expect((await exchange(theirs)).status).toBe(200);
    expect((await exchange(theirs, { audience })).status).toBe(400);
    expect((await exchange(await job({ jti }))).status).toBe(200);
    await client.trustRules.remove('forged');
  });

  it('also when its signature is written in another way', async () => {
    await setRule();
    const subject = await job({ jti: undefined });
    const [head = '', body = '', signature = ''] = subject.split('.');
    const order = BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
    const bytes = Buffer.from(signature, 'base64url');
    const s = BigInt(`0x${bytes.subarray(32).toString('hex')}`);
    const mirrored = (order - s).toString(16).padStart(64, '0');
    const twin = Buffer.concat([bytes.subarray(0, 32), Buffer.from(mirrored, 'hex')]).toString('base64url');
    expect((await exchange(subject)).status).toBe(200);
    expect((await exchange(`${head}.${body}.${twin}`)).body).toMatchObject({
      error_description: expect.stringContaining('exchanged before'),
    });
  });
});

describe('the right to give', () => {
  it('ends with the rule, and with it what was given', async () => {
    await setRule();
    const token = tokenOf(await exchange(await job()));
    expect(await isActive(token)).toBe(true);
    await setRule();
    expect(await isActive(token)).toBe(true);
    await setRule({ expires_in_seconds: 600 });
    expect(await isActive(token)).toBe(false);
    const next = tokenOf(await exchange(await job()));
    await rules().remove('shop');
    expect(await isActive(next)).toBe(false);
    expect((await exchange(await job())).body).toEqual(NOT_TAKEN);
    const { data } = await service.client().tokens.list({ status: 'revoked', limit: 1 });
    expect(data[0]).toMatchObject({ revoked_reason: 'other', revoked_by: printId('mem', service.owner.member.id) });
  });

  it('leaves nothing behind that was given at the very moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      await setRule();
      const subjects = await Promise.all([0, 1, 2, 3].map(() => job()));
      const [, ...answers] = await Promise.all([rules().remove('shop'), ...subjects.map((one) => exchange(one))]);
      for (const answer of answers.filter(({ status }) => status === 200)) {
        expect(await isActive(tokenOf(answer))).toBe(false);
      }
    }
  });

  it('ends runs that go on under a token that has expired meanwhile', async () => {
    await setRule({ expires_in_seconds: 60 });
    const client = service.client(tokenOf(await exchange(await job())));
    const context = { repository: 'octo/shop', ref: 'refs/heads/main' };
    const { run_id: runId, token } = await client.execChecks.check({ workflow: 'nightly', context });
    service.clock.advance(61);
    await rules().remove('shop');
    const id = token.active ? token.jti : '';
    expect((await service.client().tokens.show(id)).status).toBe('revoked');
    const { summary, facts } = await service.client().tokens.explain(id);
    expect(summary).toContain('revoked');
    expect(facts.map(({ fact }) => fact)).toContain('token.minted');
    expect(runId).toMatch(/^run_/);
  });

  it.each<[string, (id: string) => Promise<unknown>, (id: string) => Promise<unknown>]>([
    ['suspended', (id) => service.client().members.suspend(id), (id) => service.client().members.reactivate(id)],
    [
      'a member only',
      (id) => service.client().members.patch(id, { role: 'member' }),
      (id) => service.client().members.patch(id, { role: 'admin' }),
    ],
  ])('ends while who set the rule is %s', async (_, end, restore) => {
    const admin = await service.makeMember('admin');
    const rule = { ...RULES.github_actions, issuer: issuer.url };
    await service.client(admin.token).trustRules.put('shop', rule);
    const answer = await exchange(await job());
    expect((await service.client(tokenOf(answer)).me()).id).toBe(admin.id);
    await end(admin.id);
    expect((await exchange(await job())).body).toEqual(NOT_TAKEN);
    await restore(admin.id);
    expect((await exchange(await job())).status).toBe(200);
    await service.client().members.remove(admin.id);
    expect((await exchange(await job())).body).toEqual(NOT_TAKEN);
  });

  it('ends while the workflow is paused, and with what the workflow allows no more', async () => {
    await setRule({ scopes: ['repo:read', 'codex:exec'] });
    await service.client().workflows.pause('nightly');
    expect((await exchange(await job())).body).toEqual(NOT_TAKEN);
    await service.client().workflows.resume('nightly');
    await service.client().workflows.put('nightly', { allowed_scopes: ['repo:*'] });
    expect((await exchange(await job())).body).toEqual(NOT_TAKEN);
    await service.client().workflows.put('nightly', {
      allowed_scopes: ['repo:*', 'codex:exec'],
      constraints: { repositories: ['octo/*'], environments: ['production'] },
    });
    expect((await exchange(await job())).body).toMatchObject({
      authorization_details: [{ repositories: ['octo/shop'], refs: ['refs/heads/main'], environments: ['production'] }],
    });
    await service.client().workflows.put('nightly', { allowed_scopes: ['repo:*', 'codex:exec'] });
  });

  it('is taken back with all that is of any use: what expired long ago makes a panic no longer', async () => {
    await setRule();
    const old = await service.client(tokenOf(await exchange(await job()))).me();
    const underWay = tokenOf(await exchange(await job()));
    const place = { repository: 'octo/shop', ref: 'refs/heads/main' };
    const runner = service.client(underWay);
    const { decision } = await runner.execChecks.check({ workflow: 'nightly', scopes: ['repo:read'], context: place });
    expect(decision).toBe('allow');
    const { token: running } = await runner.me();
    service.clock.advance(2 * 3_600);
    const live = tokenOf(await exchange(await job()));
    const client = service.client();
    const meant = { reason: 'leaked', workflow: 'nightly' } as const;
    const dry = await client.tokens.revokeMany({ ...meant, dry_run: true });
    const { revoked, token_ids: ids } = await client.tokens.revokeMany(meant);
    expect(dry.revoked).toBe(revoked);
    expect(ids).not.toContain(old.token.id);
    expect((await client.tokens.show(old.token.id)).status).toBe('expired');
    expect(await isActive(live)).toBe(false);
    expect(ids).toContain(running.id);
  });

  it('ends while the workspace is suspended', async () => {
    await setRule();
    const { id } = service.owner.workspace;
    await service.db.sql`update workspaces set suspended_at = now() where id = ${id}`;
    const answer = await exchange(await job());
    await service.db.sql`update workspaces set suspended_at = null where id = ${id}`;
    expect(answer.body).toEqual(NOT_TAKEN);
  });

  it('ends where the policy of the workspace says so', async () => {
    await setRule();
    const { policy } = service.client();
    await policy.put({ allowed_scopes: ['codex:*'] });
    const beyond = { error: 'invalid_grant', error_description: expect.stringContaining("the workspace's policy") };
    expect((await exchange(await job())).body).toEqual(beyond);
    const { reasons } = await rules().dryRun('shop', { claims: { ...GITHUB_PUSH, iss: issuer.url, aud: ISSUER } });
    expect(reasons).toEqual(["the workspace's policy does not allow repo:read"]);
    await policy.put({ allowed_repositories: ['octo/*'], required_constraints: ['refs'] });
    expect((await exchange(await job())).status).toBe(200);
    await policy.put({ max_tokens_per_workflow: 1 });
    const subject = await job();
    expect((await exchange(subject)).body).toEqual(beyond);
    await policy.remove();
    expect((await exchange(subject)).status).toBe(200);
  });

  it('is explained to the operator alone', async () => {
    await setRule();
    service.log.length = 0;
    await exchange(await job({ repository_id: '9000' }));
    const line = service.log.find((one) => one.includes('no trust rule took'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({
      issuer: issuer.url,
      rules: 1,
      signed: 1,
      why: [{ workspace: service.owner.workspace.slug, rule: 'shop', claims: ['repository_id'], reasons: [] }],
    });
  });
});
