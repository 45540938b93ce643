import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { decide } from '../setup/device.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { startTestSession, type TestSession } from '../setup/session.js';
import { basic, bearer, discover, OVER_LOOPBACK, postForm } from './clients.js';

const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';
const CLIENT = { client_id: 'countersign-cli' };

let service: ListeningService;
let as: oauth.AuthorizationServer;
let owner: TestSession;
let serial = 0;
beforeAll(async () => {
  // A proxy in front, so that each device may come from a network of its own.
  service = await createListeningService({ trustedProxies: ['127.0.0.1/32'] });
  as = await discover(service.url);
  owner = await startTestSession(service);
});
afterAll(() => service.close());

async function begin(parameters: Record<string, string> = {}): Promise<oauth.DeviceAuthorizationResponse> {
  serial += 1;
  const options = { ...OVER_LOOPBACK, headers: { 'x-forwarded-for': `203.0.113.${serial}` } };
  const response = await oauth.deviceAuthorizationRequest(as, CLIENT, oauth.None(), parameters, options);
  return oauth.processDeviceAuthorizationResponse(as, CLIENT, response);
}

/** What the token endpoint says to a form. */
async function told(form: string | Record<string, string>, headers: Record<string, string> = {}) {
  const response = await postForm(String(as.token_endpoint), form, headers);
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, error: body['error'], headers: response.headers, body };
}

const poll = (device_code: string) => told({ grant_type: GRANT, ...CLIENT, device_code });

describe('clients of the field', () => {
  it('oauth4webapi gets a token once a person has approved (RFC 8628 sections 3.1 to 3.5)', async () => {
    const { device_code, user_code } = await begin({ client_name: 'laptop-7' });
    const ask = async () => {
      const response = await oauth.deviceCodeGrantRequest(as, CLIENT, oauth.None(), device_code, OVER_LOOPBACK);
      return oauth.processDeviceCodeResponse(as, CLIENT, response);
    };
    await expect(ask()).rejects.toMatchObject({ error: 'authorization_pending', status: 400 });
    expect((await decide(service, owner, user_code)).status).toBe(200);
    const answer = await ask();
    expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 12 * 3600, scope: 'workspace:admin' });
    expect((await service.client(answer.access_token).me()).email).toBe(service.owner.member.email);
  });

  it('openid-client gets a token once a person has approved', async () => {
    const config = await openid.discovery(new URL(service.url), CLIENT.client_id, undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const begun = await openid.initiateDeviceAuthorization(config, { client_name: 'laptop-7' });
    await decide(service, owner, begun.user_code);
    const answer = await openid.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0 });
    expect(answer.expires_in).toBe(12 * 3600);
    expect((await service.client().introspect(answer.access_token)).active).toBe(true);
  });

  it('openid-client learns that a person said no', async () => {
    const config = await openid.discovery(new URL(service.url), CLIENT.client_id, undefined, openid.None(), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const begun = await openid.initiateDeviceAuthorization(config, {});
    await decide(service, owner, begun.user_code, 'deny');
    const polled = openid.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0 });
    await expect(polled).rejects.toMatchObject({ error: 'access_denied' });
  });
});

describe('the metadata (RFC 8628 section 4)', () => {
  it('names the endpoint and the grant', () => {
    expect(as.device_authorization_endpoint).toBe(`${service.url}/oauth2/device_authorization`);
    expect(as.grant_types_supported).toContain(GRANT);
  });
});

describe('the device authorization request (RFC 8628 section 3.1)', () => {
  const asked = async (form: string | Record<string, string>, headers: Record<string, string> = {}) => {
    const response = await postForm(String(as.device_authorization_endpoint), form, headers);
    return [response.status, ((await response.json()) as Record<string, unknown>)['error']];
  };

  it('needs a client_id, and that of the one client there is', async () => {
    expect(await asked({})).toEqual([400, 'invalid_request']);
    expect(await asked({ client_id: 'somebody' })).toEqual([400, 'invalid_client']);
    expect(await asked('client_id=countersign-cli&client_id=countersign-cli')).toEqual([400, 'invalid_request']);
  });

  it('takes no password of a public client: 401 with the scheme (RFC 6749 section 5.2)', async () => {
    const headers = { authorization: basic('countersign-cli', 'guess') };
    expect(await asked(CLIENT, headers)).toEqual([401, 'invalid_client']);
  });

  it('takes scopes of this service alone', async () => {
    expect(await asked({ ...CLIENT, scope: 'tokens:read workflows:read' })).toEqual([200, undefined]);
    for (const scope of ['repo:read', 'tokens:*', 'tokens:read nonsense']) {
      expect(await asked({ ...CLIENT, scope })).toEqual([400, 'invalid_scope']);
    }
  });
});

describe('the device authorization response (RFC 8628 section 3.2)', () => {
  it('has all that is required, and is kept by nobody', async () => {
    const response = await oauth.deviceAuthorizationRequest(as, CLIENT, oauth.None(), {}, OVER_LOOPBACK);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const page = `${service.url.replace('127.0.0.1', 'localhost')}/console/device`;
    const answer = await oauth.processDeviceAuthorizationResponse(as, CLIENT, response);
    expect(answer).toMatchObject({ verification_uri: page, expires_in: 600, interval: 5 });
    expect(answer.user_code).toMatch(/^[BCDFGHJKLMNPQRSTVWXZ]{5}-[BCDFGHJKLMNPQRSTVWXZ]{5}$/);
  });

  it('has the code of verification_uri_complete where no server sees it (section 3.3.1)', async () => {
    const { verification_uri, verification_uri_complete, user_code } = await begin();
    expect(verification_uri_complete).toBe(`${verification_uri}#${user_code}`);
  });

  it('leaves nothing behind by which either code could be told (section 5.1)', async () => {
    const { device_code, user_code } = await begin();
    const rows = JSON.stringify(await service.db.sql`select row_to_json(d)::text as row from device_authorizations d`);
    const logged = service.log.join();
    for (const secret of [user_code.slice(6), device_code.slice(27)]) {
      expect(rows).not.toContain(secret);
      expect(logged).not.toContain(secret);
    }
  });
});

describe('the token request (RFC 8628 section 3.4; RFC 6749 section 5.2)', () => {
  it('is told what is missing or unknown', async () => {
    const { device_code } = await begin();
    const unknown = printToken({ id: newId('tok', service.clock.now()), tokenSecret: newTokenSecret() });
    const cases: [string | Record<string, string>, string][] = [
      [{}, 'invalid_request'],
      [{ grant_type: 'password', ...CLIENT }, 'unsupported_grant_type'],
      [{ grant_type: 'authorization_code', ...CLIENT, code: 'x' }, 'unsupported_grant_type'],
      [{ grant_type: GRANT, device_code }, 'invalid_request'],
      [{ grant_type: GRANT, client_id: 'another', device_code }, 'invalid_client'],
      [{ grant_type: GRANT, ...CLIENT }, 'invalid_request'],
      [{ grant_type: GRANT, ...CLIENT, device_code: 'noise' }, 'invalid_grant'],
      [{ grant_type: GRANT, ...CLIENT, device_code: unknown }, 'invalid_grant'],
      [`grant_type=${GRANT}&grant_type=${GRANT}`, 'invalid_request'],
    ];
    for (const [form, error] of cases) expect(await told(form)).toMatchObject({ status: 400, error });
  });

  it('is not answered to who has the first half of a device code', async () => {
    const [one, two] = [await begin(), await begin()];
    const swapped = one.device_code.slice(0, 27) + two.device_code.slice(27);
    expect(await poll(swapped)).toMatchObject({ error: 'invalid_grant' });
  });

  it('is refused with the scheme to who sends a password', async () => {
    const { device_code } = await begin();
    const headers = { authorization: basic('countersign-cli', '') };
    const answer = await told({ grant_type: GRANT, ...CLIENT, device_code }, headers);
    expect(answer).toMatchObject({ status: 401, error: 'invalid_client' });
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });
});

describe('the token response (RFC 8628 section 3.5)', () => {
  it('is authorization_pending at first, and slow_down for who does not wait', async () => {
    const { device_code } = await begin();
    expect(await poll(device_code)).toMatchObject({ status: 400, error: 'authorization_pending' });
    expect(await poll(device_code)).toMatchObject({ status: 400, error: 'slow_down' });
  });

  it('is expired_token from the end of the code on', async () => {
    const { device_code } = await begin();
    service.clock.advance(599);
    expect(await poll(device_code)).toMatchObject({ error: 'authorization_pending' });
    service.clock.advance(1);
    expect(await poll(device_code)).toMatchObject({ status: 400, error: 'expired_token' });
  });

  it('is the token, with what RFC 6749 section 5.1 asks for around it', async () => {
    const { device_code, user_code } = await begin();
    await decide(service, owner, user_code);
    const { status, headers, body } = await poll(device_code);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(Object.keys(body).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type']);
    expect(body['token_type']).toBe('Bearer');
  });

  it('is the token once: after that the grant is used (RFC 6749 section 5.2)', async () => {
    const { device_code, user_code } = await begin();
    await decide(service, owner, user_code);
    expect((await poll(device_code)).status).toBe(200);
    expect(await poll(device_code)).toMatchObject({ status: 400, error: 'invalid_grant' });
  });

  it('is the token for one of two that ask at the same moment', async () => {
    const { device_code, user_code } = await begin();
    await decide(service, owner, user_code);
    const answers = await Promise.all(Array.from({ length: 8 }, () => poll(device_code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(new Set(answers.map(({ error }) => error))).toEqual(new Set([undefined, 'invalid_grant']));
    const token = answers.find(({ status }) => status === 200)?.body['access_token'];
    expect((await service.client().introspect(String(token))).active).toBe(true);
  });

  it('is access_denied for good once a person has said no', async () => {
    const { device_code, user_code } = await begin();
    await decide(service, owner, user_code, 'deny');
    for (let at = 0; at < 2; at += 1) expect(await poll(device_code)).toMatchObject({ error: 'access_denied' });
    service.clock.advance(601);
    expect(await poll(device_code)).toMatchObject({ error: 'access_denied' });
  });

  it('is expired_token when the device comes too late for what was approved', async () => {
    const { device_code, user_code } = await begin();
    const session = await startTestSession(service);
    await decide(service, session, user_code);
    service.clock.advance(600);
    expect(await poll(device_code)).toMatchObject({ error: 'expired_token' });
  });

  it('is expired_token once the code was typed wrongly too often (section 5.1)', async () => {
    const { device_code, user_code } = await begin();
    const session = await startTestSession(service);
    for (let at = 0; at < 5; at += 1) await decide(service, session, `${user_code.slice(0, 6)}BCDF${'GHJKL'[at]}`);
    expect(await poll(device_code)).toMatchObject({ error: 'expired_token' });
    expect((await decide(service, session, user_code)).status).toBe(422);
  });

  it('is limited in how often one is asked for', async () => {
    const { device_code } = await begin();
    const statuses = [];
    for (let at = 0; at < 21; at += 1) statuses.push((await poll(device_code)).status);
    expect(statuses).toEqual([...Array(20).fill(400), 429]);
  });
});

describe('a device code', () => {
  it('opens nothing: it is no token', async () => {
    const { device_code } = await begin();
    expect((await fetch(`${service.url}/v1/me`, { headers: bearer(device_code) })).status).toBe(401);
    expect(await service.client().introspect(device_code)).toEqual({ active: false });
  });
});
