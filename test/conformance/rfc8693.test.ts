import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { createLoopbackIssuer, type LoopbackIssuer } from '../setup/loopback-issuer.js';
import { GITHUB_PUSH, RULES } from '../setup/trust.js';
import { discover, OVER_LOOPBACK, postForm } from './clients.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';

let service: ListeningService;
let issuer: LoopbackIssuer;
beforeAll(async () => {
  service = await createListeningService({ allowedPrivateNetworks: ['127.0.0.0/8'] });
  issuer = await createLoopbackIssuer(() => service.clock.now());
  await service.makeWorkflow('nightly', { allowed_scopes: ['repo:*', 'codex:exec'] });
  const rule = { ...RULES.github_actions, issuer: issuer.url, scopes: ['repo:*', 'codex:exec'] };
  await service.client().trustRules.put('shop', rule);
});
afterAll(async () => {
  await service.close();
  await issuer.close();
});

const job = (claims: Record<string, unknown> = {}) => issuer.sign({ ...GITHUB_PUSH, aud: service.url, ...claims });
const post = async (form: Record<string, string>) => {
  const response = await postForm(`${service.url}/oauth2/token`, {
    grant_type: GRANT,
    subject_token_type: JWT,
    ...form,
  });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body };
};

describe('clients of the field', () => {
  it('oauth4webapi exchanges a job’s token', async () => {
    const as = await discover(service.url);
    expect(as.grant_types_supported).toContain(GRANT);
    const client = { client_id: 'a-job' };
    const parameters = { subject_token: await job(), subject_token_type: JWT, scope: 'codex:exec' };
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      oauth.None(),
      GRANT,
      parameters,
      OVER_LOOPBACK,
    );
    const answer = await oauth.processGenericTokenEndpointResponse(as, client, response);
    expect(answer).toMatchObject({
      token_type: 'bearer',
      expires_in: 3600,
      scope: 'codex:exec',
      issued_token_type: ACCESS_TOKEN,
    });
    expect((await service.client().introspect(answer.access_token)).active).toBe(true);
  });

  it('openid-client exchanges a job’s token, and is told why one is not taken', async () => {
    const config = await openid.discovery(new URL(service.url), 'a-job', undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const subject = await job();
    const parameters = { subject_token: subject, subject_token_type: ID_TOKEN, requested_token_type: ACCESS_TOKEN };
    const answer = await openid.genericGrantRequest(config, GRANT, parameters);
    expect(answer['issued_token_type']).toBe(ACCESS_TOKEN);
    expect((await service.client(answer.access_token).me()).token.workflow).toBe('nightly');
    await expect(openid.genericGrantRequest(config, GRANT, parameters)).rejects.toMatchObject({
      error: 'invalid_grant',
      status: 400,
    });
  });

  it('the client of this project exchanges a job’s token, and is given its place', async () => {
    const exchanged = await service.client(null).oauth.exchange({ subjectToken: await job(), scope: ['repo:read'] });
    expect(exchanged).toMatchObject({
      scope: 'repo:read',
      authorization_details: [{ type: 'agent_exec', repositories: ['octo/shop'], refs: ['refs/heads/main'] }],
    });
  });
});

describe('the request (RFC 8693 section 2.1)', () => {
  it('needs a subject token', async () => {
    expect(await post({})).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it('needs the type of the subject token', async () => {
    const answer = await post({ subject_token: await job(), subject_token_type: '' });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  it.each([JWT, ID_TOKEN])('takes a subject token of the type %s (section 3)', async (type) => {
    expect((await post({ subject_token: await job(), subject_token_type: type })).status).toBe(200);
  });

  it('refuses an actor token’s type without an actor token, and an actor token', async () => {
    for (const actor of [{ actor_token_type: JWT }, { actor_token: 'a', actor_token_type: JWT }]) {
      expect((await post({ subject_token: await job(), ...actor })).body['error']).toBe('invalid_request');
    }
  });

  it('takes an audience, the logical name of a trust rule', async () => {
    const audience = `${service.owner.workspace.slug}/shop`;
    expect((await post({ subject_token: await job(), audience })).status).toBe(200);
  });

  it('takes scopes, parted by spaces', async () => {
    const { body } = await post({ subject_token: await job(), scope: 'repo:read codex:exec' });
    expect(body['scope']).toBe('repo:read codex:exec');
  });
});

describe('the answer (RFC 8693 section 2.2.1)', () => {
  it('has the token, its type, how it is used, how long it is good and what for; no refresh token', async () => {
    const { status, headers, body } = await post({ subject_token: await job() });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toBe('application/json');
    expect(Object.keys(body).sort()).toEqual([
      'access_token',
      'authorization_details',
      'expires_in',
      'issued_token_type',
      'scope',
      'token_type',
    ]);
    expect(body['issued_token_type']).toBe(ACCESS_TOKEN);
  });
});

describe('the error (RFC 8693 section 2.2.2)', () => {
  it('is invalid_request, or invalid_grant, for a subject token that is not acceptable; never more than that', async () => {
    for (const subject of [
      'noise',
      await job({ aud: 'https://elsewhere.example' }),
      await job({ repository_id: '1' }),
    ]) {
      expect(await post({ subject_token: subject })).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    }
  });

  it('is invalid_target for a target that no token is issued for', async () => {
    for (const target of [{ resource: 'https://elsewhere.example' }, { audience: 'https://elsewhere.example' }]) {
      const { body } = await post({ subject_token: await job(), ...target });
      expect(body['error']).toBe('invalid_target');
    }
  });

  it('is invalid_scope for a scope that the rule does not give (RFC 6749 section 5.2)', async () => {
    expect((await post({ subject_token: await job(), scope: 'deploy:run' })).body['error']).toBe('invalid_scope');
  });
});
