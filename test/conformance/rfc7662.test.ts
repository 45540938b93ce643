import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, parseToken, printId, printToken } from '../../src/rules/format.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { bearer, discover, makeResourceServer, OVER_LOOPBACK, postForm, type ResourceServer } from './clients.js';

let service: ListeningService;
let endpoint: string;
let caller: ResourceServer;
let subject: { id: string; token: string };
beforeAll(async () => {
  service = await createListeningService();
  endpoint = `${service.url}/oauth2/introspect`;
  caller = await makeResourceServer(service);
  subject = await service.seedToken({ scopes: ['repo:read', 'codex:exec'], constraints: { repositories: ['acme/*'] } });
});
afterAll(() => service.close());

const ask = (token: string, headers = bearer(caller.token)) => postForm(endpoint, { token }, headers);
const INACTIVE = '{"active":false}';

describe('clients of the field', () => {
  it('oauth4webapi introspects a token (RFC 7662 section 2)', async () => {
    const as = await discover(service.url);
    const response = await oauth.introspectionRequest(as, caller.client, caller.auth, subject.token, OVER_LOOPBACK);
    const answer = await oauth.processIntrospectionResponse(as, caller.client, response);
    expect(answer).toMatchObject({ active: true, jti: subject.id, scope: 'repo:read codex:exec' });
  });

  it('openid-client introspects a token (RFC 7662 section 2)', async () => {
    const auth = openid.ClientSecretBasic(caller.token);
    const config = await openid.discovery(new URL(service.url), caller.id, undefined, auth, {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const hint = { token_type_hint: 'access_token' };
    expect(await openid.tokenIntrospection(config, subject.token, hint)).toMatchObject({ active: true });
    expect(await openid.tokenIntrospection(config, 'unknown', hint)).toEqual({ active: false });
  });
});

describe('the request (RFC 7662 section 2.1)', () => {
  it('is a POST with a form', async () => {
    expect((await ask(subject.token)).status).toBe(200);
  });

  it('is refused as invalid_request without a token', async () => {
    const response = await postForm(endpoint, {}, bearer(caller.token));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: 'invalid_request' });
  });

  it.each(['access_token', 'refresh_token', 'urn:example:unheard-of'])(
    'finds it whatever the hint: %s',
    async (hint) => {
      const form = { token: subject.token, token_type_hint: hint };
      expect(await (await postForm(endpoint, form, bearer(caller.token))).json()).toMatchObject({ active: true });
    },
  );

  it('must be authorized, so that nobody can scan for tokens', async () => {
    const response = await postForm(endpoint, { token: subject.token });
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain('active');
  });

  it.each(['tokens:introspect', 'exec:check'])('is open to a token with %s', async (scope) => {
    const { token } = await makeResourceServer(service, [scope]);
    expect(await (await ask(subject.token, bearer(token))).json()).toMatchObject({ active: true });
  });

  it('is open to a token that asks about itself', async () => {
    expect(await (await ask(subject.token, bearer(subject.token))).json()).toMatchObject({ active: true });
  });
});

describe('the answer (RFC 7662 section 2.2)', () => {
  it('is JSON with active as a boolean, and members of the types that the RFC gives them', async () => {
    const response = await ask(subject.token);
    expect(response.headers.get('content-type')).toBe('application/json');
    const now = Math.floor(service.clock.now().getTime() / 1000);
    expect(await response.json()).toEqual({
      active: true,
      iss: service.url,
      sub: printId('mem', service.owner.member.id),
      username: service.owner.member.email,
      client_id: 'nightly',
      scope: 'repo:read codex:exec',
      token_type: 'Bearer',
      iat: now,
      nbf: now,
      exp: now + 30 * 86_400,
      jti: subject.id,
      workspace_id: expect.stringMatching(/^ws_/),
      workspace: expect.stringMatching(/^acme-/),
      workflow: 'nightly',
      authorization_details: [{ type: 'agent_exec', repositories: ['acme/*'] }],
    });
  });

  it('holds nothing but active for a token that is not, and is no error', async () => {
    const response = await ask('unknown');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.text()).toBe(INACTIVE);
  });

  it('is not kept by a cache (section 4)', async () => {
    expect((await ask(subject.token)).headers.get('cache-control')).toBe('no-store');
    expect((await ask('unknown')).headers.get('cache-control')).toBe('no-store');
  });
});

describe('callers that are refused (RFC 7662 section 2.3)', () => {
  it('bad client credentials: 401 as in RFC 6749 section 5.2', async () => {
    const as = await discover(service.url);
    const auth = oauth.ClientSecretBasic(subject.token);
    const response = await oauth.introspectionRequest(as, caller.client, auth, subject.token, OVER_LOOPBACK);
    expect(await response.clone().json()).toMatchObject({ error: 'invalid_client' });
    await expect(oauth.processIntrospectionResponse(as, caller.client, response)).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: 'basic', parameters: { realm: 'countersign' } }],
    });
  });

  it('a bad Bearer token: 401 as in RFC 6750 section 3', async () => {
    const response = await ask(subject.token, bearer('cst_unknown'));
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="countersign", error="invalid_token"');
    expect(await response.json()).toMatchObject({ error: 'invalid_token' });
  });

  it('a revoked token does not ask, not even about itself', async () => {
    const { id, token } = await service.seedToken();
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    expect((await ask(token, bearer(token))).status).toBe(401);
  });

  it('a token without the scope: 403 with insufficient_scope, whatever it asks about (RFC 6750 section 3.1)', async () => {
    const { token } = await service.seedToken();
    const bodies = new Set<string>();
    for (const asked of [subject.token, 'unknown']) {
      const response = await ask(asked, bearer(token));
      expect(response.status).toBe(403);
      expect(response.headers.get('www-authenticate')).toBe(
        'Bearer realm="countersign", error="insufficient_scope", scope="tokens:introspect"',
      );
      bodies.add(await response.text());
    }
    expect(bodies.size).toBe(1);
  });
});

describe('what is checked of a token (RFC 7662 section 4)', () => {
  const inactive = async (token: string) => expect(await (await ask(token)).text()).toBe(INACTIVE);
  const active = async (token: string) => expect(await (await ask(token)).json()).toMatchObject({ active: true });

  it('whether it has expired', async () => {
    const short = await createListeningService();
    try {
      const { token } = await short.seedToken({ expires_in_days: 7 });
      const asker = await makeResourceServer(short);
      const answer = () => postForm(`${short.url}/oauth2/introspect`, { token }, bearer(asker.token));
      short.clock.advance(7 * 86_400 - 1);
      expect(await (await answer()).json()).toMatchObject({ active: true });
      short.clock.advance(1);
      expect(await (await answer()).text()).toBe(INACTIVE);
    } finally {
      await short.close();
    }
  });

  it('whether it is valid yet', async () => {
    const notBefore = new Date(service.clock.now().getTime() + 3_600_000).toISOString();
    await inactive((await service.seedToken({ not_before: notBefore })).token);
  });

  it('whether it was revoked', async () => {
    const { id, token } = await service.seedToken();
    await active(token);
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    await inactive(token);
  });

  it('whether its secret is the one that was issued', async () => {
    const parsed = parseToken(subject.token);
    if (parsed === undefined) throw new Error('a minted token is malformed');
    await inactive(printToken({ id: parsed.id, tokenSecret: newTokenSecret() }));
    await inactive(printToken({ id: newId('tok', service.clock.now()), tokenSecret: parsed.tokenSecret }));
  });

  it('whether it can be used where the question comes from: another workspace learns nothing', async () => {
    const stranger = await service.makeWorkspace('globex');
    const response = await ask(subject.token, bearer(stranger.printed));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(INACTIVE);
  });

  it('whether its workflow is paused or its creator suspended', async () => {
    await service.makeWorkflow('paused');
    const paused = await service.seedToken({ workflow: 'paused' });
    await service.client().workflows.pause('paused');
    await inactive(paused.token);
    const member = await service.makeMember('member');
    await active(member.token);
    await service.client().members.suspend(member.id);
    await inactive(member.token);
  });

  it('keeps the token out of addresses and logs: GET is refused', async () => {
    const response = await fetch(`${endpoint}?token=${subject.token}`, { headers: bearer(caller.token) });
    expect(response.status).toBe(405);
    expect(service.log.join('')).not.toContain(subject.token);
  });
});
