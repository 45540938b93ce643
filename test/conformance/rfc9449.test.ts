import { createHash, KeyObject, sign } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'oauth4webapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { createClient, createProver, generateProofKey, type Proof, type ProofKey } from '../../src/sdk/index.js';
import { createService } from '../../src/service.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { currentNonce, makeHostKey, type ProofChanges, seedRunner, signProof, type TestRunner } from '../setup/dpop.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { OVER_LOOPBACK } from './clients.js';

let service: TestService;
let runner: TestRunner;
beforeAll(async () => {
  service = await createTestService();
  runner = await seedRunner(service);
});
afterAll(() => service.close());

const PATH = '/v1/me';
const FORM = 'application/x-www-form-urlencoded';
/** A call that is right but for what is changed in its proof. */
const call = (changes: ProofChanges = {}) => runner.send('GET', PATH, { changes });
const refusal = ({ status, headers }: Answered) => [
  status,
  /error="([^"]*)"/.exec(headers.get('www-authenticate') ?? '')?.[1],
];
/** Sends a proof as it is. */
const withProof = (dpop: string, method = 'GET', path = PATH) =>
  send(service, method, path, { token: null, headers: { authorization: `DPoP ${runner.token}`, dpop } });
const proofFor = async (changes: ProofChanges = {}, request: { method?: string; url?: string; nonce?: string } = {}) =>
  signProof(
    runner.key,
    {
      method: request.method ?? 'GET',
      url: request.url ?? ISSUER + PATH,
      now: service.clock.now(),
      token: runner.token,
      nonce: request.nonce ?? (await currentNonce(service)),
    },
    changes,
  );
const segment = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('checking a proof (RFC 9449 section 4.3)', () => {
  it('takes a good one, of each algorithm', async () => {
    expect((await call()).status).toBe(200);
    for (const alg of ['Ed25519', 'ES256'] as const) {
      const other = await seedRunner(service, { alg });
      expect((await other.send('GET', PATH)).status).toBe(200);
    }
  });

  it('1: there is not more than one DPoP header', async () => {
    const [first, second] = [await proofFor(), await proofFor()];
    expect(refusal(await withProof(`${first}, ${second}`))).toEqual([401, 'invalid_dpop_proof']);
    const none = await send(service, 'GET', PATH, { token: null, headers: { authorization: `DPoP ${runner.token}` } });
    expect(refusal(none)).toEqual([401, 'invalid_dpop_proof']);
  });

  it('2: the header is one well-formed JWT, of a bounded size', async () => {
    const [head = '', body = '', signature = ''] = (await proofFor()).split('.');
    const malformed = [
      '',
      'noise',
      `${head}.${body}`,
      `${head}.${body}.${signature}.`,
      `${head}.${body}.${signature}=`,
      `${head}..${signature}`,
      `${head}.${Buffer.from('{"jti":').toString('base64url')}.${signature}`,
      await proofFor({ claims: { padding: 'x'.repeat(4_000) } }),
      `${segment(JSON.parse(`${'[{"a":'.repeat(300)}1${'}]'.repeat(300)}`))}.${body}.${signature}`,
    ];
    for (const dpop of malformed) expect((await withProof(dpop)).status).toBe(401);
  });

  it.each(['jti', 'htm', 'htu', 'iat', 'ath', 'nonce'])(
    '3: all claims are there: without %s it is refused',
    async (name) => {
      expect((await call({ claims: { [name]: undefined } })).status).toBe(401);
    },
  );

  it.each([
    ['jti', 7],
    ['jti', ''],
    ['htm', ['GET']],
    ['htu', 'not a URL'],
    ['iat', 'now'],
    ['nonce', 1],
    ['exp', 1],
  ])('3: claims are of their type and true: %s %j is refused', async (name, value) => {
    expect((await call({ claims: { [name]: value } })).status).toBe(401);
  });

  it.each(['JWT', 'dpop', 'at+jwt', undefined])('4: typ is dpop+jwt: %s is refused', async (typ) => {
    expect(refusal(await call({ header: { typ } }))).toEqual([401, 'invalid_dpop_proof']);
  });

  it('5: alg is asymmetric and one that was announced: none, HMAC, RSA and other curves are refused', async () => {
    const { jwk } = runner.key;
    const body = { ...JSON.parse(Buffer.from((await proofFor()).split('.')[1] ?? '', 'base64url').toString()) };
    const none = `${segment({ typ: 'dpop+jwt', alg: 'none', jwk })}.${segment(body)}.`;
    const symmetric = await new SignJWT(body)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'c2VjcmV0' } as never })
      .sign(Buffer.from('secret'));
    const confused = await new SignJWT(body)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk })
      .sign(Buffer.from(String(jwk.x), 'base64url'));
    const others = await Promise.all(
      (['RS256', 'PS256', 'ES384'] as const).map(async (alg) => {
        const pair = await generateKeyPair(alg);
        const header = { typ: 'dpop+jwt', alg, jwk: await exportJWK(pair.publicKey) };
        return new SignJWT(body).setProtectedHeader(header).sign(pair.privateKey);
      }),
    );
    for (const dpop of [none, `${none}AAAA`, symmetric, confused, ...others]) {
      expect(refusal(await withProof(dpop))).toEqual([401, 'invalid_dpop_proof']);
    }
  });

  it('6: the signature is that of the key in the header', async () => {
    const [head = '', , signature = ''] = (await proofFor()).split('.');
    const [, body = ''] = (await proofFor()).split('.');
    expect(refusal(await withProof(`${head}.${body}.${signature}`))).toEqual([401, 'invalid_dpop_proof']);
    const other = await makeHostKey();
    expect(refusal(await call({ header: { jwk: other.jwk } }))).toEqual([401, 'invalid_dpop_proof']);
  });

  it('7: the key in the header is no private one, and is there', async () => {
    const secret = await exportJWK(runner.key.privateKey);
    for (const jwk of [secret, { ...runner.key.jwk, d: '' }, undefined, null, 'key', { kty: 'OKP', crv: 'Ed25519' }]) {
      expect(refusal(await call({ header: { jwk } }))).toEqual([401, 'invalid_dpop_proof']);
    }
  });

  it.each(['POST', 'get', 'HEAD', ''])('8: htm is the method of the request: %s is refused for GET', async (htm) => {
    expect(refusal(await call({ claims: { htm } }))).toEqual([401, 'invalid_dpop_proof']);
  });

  it.each([
    `${ISSUER}/v1/members`,
    `${ISSUER}/v1/me/`,
    `${ISSUER}/V1/me`,
    'https://evil.example/v1/me',
    'http://countersign.example/v1/me',
    'https://countersign.example:8443/v1/me',
    'https://user@countersign.example/v1/me',
    '/v1/me',
  ])('9: htu is the URI of the request: %s is refused', async (htu) => {
    expect(refusal(await call({ claims: { htu } }))).toEqual([401, 'invalid_dpop_proof']);
  });

  it.each([
    `${ISSUER}/v1/me?a=b`,
    `${ISSUER}/v1/me#there`,
    'HTTPS://Countersign.Example/v1/me',
    'https://countersign.example:443/v1/me',
    `${ISSUER}/v1/../v1/%6De`,
    `${ISSUER}/./v1/me`,
  ])('9: without query and fragment, after normalisation (RFC 3986 section 6.2): %s is taken', async (htu) => {
    expect((await call({ claims: { htu } })).status).toBe(200);
  });

  it('10: the nonce is one that the service gave, within the last five minutes', async () => {
    const nonce = await currentNonce(service);
    const [time, mac = ''] = nonce.split('-');
    for (const made of [`${time}-${[...mac].reverse().join('')}`, `zzzzzz-${mac}`, `${time}-`, 'noise']) {
      expect(refusal(await runner.send('GET', PATH, { nonce: made }))).toEqual([401, 'use_dpop_nonce']);
    }
    service.clock.advance(240);
    expect((await runner.send('GET', PATH, { nonce })).status).toBe(200);
    service.clock.advance(61);
    expect(refusal(await runner.send('GET', PATH, { nonce }))).toEqual([401, 'use_dpop_nonce']);
  });

  it.each([-61, 61, -86_400, 86_400, Number.MAX_SAFE_INTEGER])(
    '11: iat is about now: %i s away is refused',
    async (away) => {
      const iat = Math.floor(service.clock.now().getTime() / 1000) + away;
      expect(refusal(await call({ claims: { iat } }))).toEqual([401, 'invalid_dpop_proof']);
    },
  );

  it('12: ath is the hash of the token that comes with it', async () => {
    const other = await seedRunner(service);
    const ath = createHash('sha256').update(other.token).digest('base64url');
    expect(refusal(await call({ claims: { ath } }))).toEqual([401, 'invalid_dpop_proof']);
  });

  it('12: the key is the one that the token is bound to (section 6.1)', async () => {
    const other = await makeHostKey();
    expect(refusal(await runner.send('GET', PATH, { key: other }))).toEqual([401, 'invalid_token']);
  });

  it.each([{ crit: ['exp'], exp: 1 }, { crit: ['b64'], b64: false }, { b64: false }, { crit: [] }])(
    'refuses header parameters that change how it is read: %j (RFC 7515 section 4.1.11, RFC 7797)',
    async (more) => {
      const body = (await proofFor()).split('.')[1] ?? '';
      const input = `${segment({ typ: 'dpop+jwt', alg: 'EdDSA', jwk: runner.key.jwk, ...more })}.${body}`;
      const signature = sign(null, Buffer.from(input), KeyObject.from(runner.key.privateKey)).toString('base64url');
      expect(refusal(await withProof(`${input}.${signature}`))).toEqual([401, 'invalid_dpop_proof']);
    },
  );
});

describe('a proof is good once (RFC 9449 section 11.1)', () => {
  it('of many at the same moment one is taken', async () => {
    const dpop = await proofFor();
    const answers = await Promise.all(Array.from({ length: 8 }, () => withProof(dpop)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('on all nodes together', async () => {
    const other = await createService({
      options: service.database.options,
      direct: service.database.options,
      keys: service.keys,
      issuer: () => ISSUER,
      trustedProxies: [],
      log: createLog('fatal', process.stderr),
      now: service.clock.now,
    });
    try {
      const dpop = await proofFor();
      const headers = { authorization: `DPoP ${runner.token}`, dpop };
      // The nonce is the other node's too: what it refuses is the second use.
      expect((await other.app.request(ISSUER + PATH, { headers })).status).toBe(200);
      expect(refusal(await withProof(dpop))).toEqual([401, 'invalid_dpop_proof']);
    } finally {
      await other.close();
    }
  });

  it('and is forgotten when its age alone refuses it', async () => {
    const { sql } = service.db;
    await call();
    const [before] = await sql`select count(*)::int as count from dpop_proofs`;
    service.clock.advance(3_600);
    await keepHouse(sql, service.clock.now());
    const [after] = await sql`select count(*)::int as count from dpop_proofs`;
    expect([Number(before?.['count']) > 0, after?.['count']]).toEqual([true, 0]);
  });
});

describe('nonces of the service (RFC 9449 sections 8 and 9)', () => {
  it('come with each answer to a proof, and with use_dpop_nonce, never to be cached', async () => {
    const asked = await runner.send('GET', PATH, { nonce: null });
    expect(refusal(asked)).toEqual([401, 'use_dpop_nonce']);
    const nonce = asked.headers.get('dpop-nonce') ?? '';
    // RFC 9449 section 8.1: NQCHAR of RFC 6749.
    expect(nonce).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/);
    expect(asked.headers.get('cache-control')).toBe('no-store');
    expect(asked.headers.get('date')).toBe(service.clock.now().toUTCString());
    const answered = await runner.send('GET', PATH, { nonce });
    expect([answered.status, answered.headers.get('dpop-nonce')]).toEqual([200, nonce]);
  });

  it('are not sent to callers that prove nothing', async () => {
    const { headers } = await send(service, 'GET', PATH);
    expect(headers.get('dpop-nonce')).toBeNull();
  });
});

describe('tokens that are bound, and callers (RFC 9449 sections 5 to 7)', () => {
  it('the challenge names the scheme and the algorithms (section 7.1)', async () => {
    const { headers } = await runner.send('GET', PATH, { nonce: null });
    expect(headers.get('www-authenticate')).toMatch(
      /^DPoP realm="countersign", error="use_dpop_nonce", error_description="[^"]+", algs="ES256 EdDSA Ed25519"$/,
    );
  });

  it('a bound token is refused as a Bearer token, with or without a proof (section 7.2)', async () => {
    expect(refusal(await send(service, 'GET', PATH, { token: runner.token }))).toEqual([401, 'invalid_token']);
    expect(refusal(await runner.send('GET', PATH, { scheme: 'Bearer' }))).toEqual([401, 'invalid_token']);
  });

  it('a token that is not bound is refused with the scheme DPoP (section 7.1)', async () => {
    const { owner } = service;
    expect(refusal(await runner.send('GET', PATH, { token: owner.printed }))).toEqual([401, 'invalid_token']);
  });

  it('the scheme counts in any case of letters (RFC 9110 section 11.1)', async () => {
    expect((await runner.send('GET', PATH, { scheme: 'dpop' })).status).toBe(200);
  });

  it('an introspection tells the binding: token_type and cnf (sections 5 and 6.2)', async () => {
    const answer = await service.client().introspect(runner.token);
    expect(answer).toMatchObject({ token_type: 'DPoP', cnf: { jkt: runner.key.jkt } });
  });

  it('an OAuth endpoint answers in the form of RFC 6749 section 5.2', async () => {
    const form = `token=${runner.token}`;
    const asked = await runner.send('POST', '/oauth2/introspect', { form, nonce: null });
    expect([asked.status, asked.body['error']]).toEqual([401, 'use_dpop_nonce']);
    expect((await runner.send('POST', '/oauth2/introspect', { form })).body['active']).toBe(true);
  });

  it('the metadata names the algorithms (section 5.1)', async () => {
    const { body } = await send(service, 'GET', '/.well-known/oauth-authorization-server', { token: null });
    expect(body['dpop_signing_alg_values_supported']).toEqual(['ES256', 'EdDSA', 'Ed25519']);
  });
});

describe('over the network', () => {
  let listening: ListeningService;
  beforeAll(async () => {
    listening = await createListeningService();
    await listening.makeWorkflow('flow', { allowed_scopes: ['codex:*'] });
  });
  afterAll(() => listening.close());

  /** Makes a runner of a key, and gives its token. */
  async function enrol(name: string, key: ProofKey): Promise<string> {
    const host = createClient({ url: listening.url, prover: await createProver(key) });
    const { id, user_code } = await host.enrolments.enrol({ name });
    await listening.client().enrolments.approve({ user_code });
    const redeemed = await host.enrolments.redeem(id);
    if (!('token' in redeemed)) throw new Error('not approved');
    return redeemed.token;
  }

  it('oauth4webapi proves itself to exec checks, which are answered beside the router, and elsewhere', async () => {
    const keys = await oauth.generateKeyPair('Ed25519', { extractable: true });
    const { x = '', d = '' } = await exportJWK(keys.privateKey);
    const token = await enrol('foreign', { kty: 'OKP', crv: 'Ed25519', x, d });
    const proving = { DPoP: oauth.DPoP({}, keys), ...OVER_LOOPBACK };
    const ask = async (method: string, path: string, json?: object) => {
      const headers = new Headers(json === undefined ? {} : { 'content-type': 'application/json' });
      const body = json === undefined ? null : JSON.stringify(json);
      const request = () =>
        oauth.protectedResourceRequest(token, method, new URL(path, listening.url), headers, body, proving);
      const response = await request().catch((error: unknown) => {
        if (oauth.isDPoPNonceError(error)) return request();
        throw error;
      });
      return response.json();
    };
    const constraints = { runners: ['foreign'] };
    const job = await listening.seedToken({ workflow: 'flow', scopes: ['codex:exec'], constraints });
    const check = { token: job.token, workflow: 'flow' };
    expect(await ask('POST', '/v1/exec/checks', check)).toMatchObject({ decision: 'allow' });
    expect(await ask('GET', '/v1/me')).toMatchObject({ token: { workflow: 'countersign.runner' } });
  });

  it('proofs count at the busy endpoints as elsewhere: replayed, of another path, as Bearer', async () => {
    const key = await generateProofKey();
    const token = await enrol('busy', key);
    const prover = await createProver(key);
    const url = `${listening.url}/oauth2/introspect`;
    const ask = async (proof: Proof, scheme = 'DPoP') => {
      const headers = { authorization: `${scheme} ${token}`, dpop: proof.header, 'content-type': FORM };
      const response = await fetch(url, { method: 'POST', body: `token=${token}`, headers });
      await response.text();
      proof.learn(response);
      return response;
    };
    const prove = (of = url) => prover.prove({ method: 'POST', url: of, token });
    expect((await ask(await prove())).status).toBe(401);
    const good = await prove();
    expect([(await ask(good)).status, (await ask(good)).status]).toEqual([200, 401]);
    expect((await ask(await prove(`${listening.url}/v1/exec/checks`))).status).toBe(401);
    const refused = await ask(await prove(), 'Bearer');
    expect([refused.status, refused.headers.get('www-authenticate')?.startsWith('DPoP ')]).toEqual([401, true]);
  });
});
