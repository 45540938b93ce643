import { createHash, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { RedeemedRunner } from '../../src/wire/runner-resources.js';
import { type Answered, type Sending, send } from './request.js';
import { ISSUER, type TestService } from './service.js';

/** A key of a host, with which it proves itself. Made apart from the code under test. */
export interface HostKey {
  readonly alg: 'EdDSA' | 'Ed25519' | 'ES256';
  readonly privateKey: CryptoKey;
  readonly jwk: JWK;
  readonly jkt: string;
}

/** What a proof says instead of the right thing; `undefined` leaves a member out. */
export interface ProofChanges {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

export async function makeHostKey(alg: HostKey['alg'] = 'EdDSA'): Promise<HostKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return { alg, privateKey, jwk, jkt: await calculateJwkThumbprint(jwk) };
}

/** Signs a proof (RFC 9449 section 4.2) for a request. */
export function signProof(
  key: HostKey,
  request: { method: string; url: string; now: Date; token?: string | undefined; nonce?: string | undefined },
  changes: ProofChanges = {},
): Promise<string> {
  const { method, url, now, token, nonce } = request;
  const claims = {
    jti: randomUUID(),
    htm: method,
    htu: url,
    iat: Math.floor(now.getTime() / 1000),
    ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') }),
    ...(nonce === undefined ? {} : { nonce }),
    ...changes.claims,
  };
  const known = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
  return new SignJWT(known)
    .setProtectedHeader({ typ: 'dpop+jwt', alg: key.alg, jwk: key.jwk, ...changes.header })
    .sign(key.privateKey);
}

/** How a host differs from one that does everything right. */
export interface HostSending extends Omit<Sending, 'token'> {
  /** The token that goes with the proof; `null` for none. */
  readonly token?: string | null;
  readonly key?: HostKey;
  readonly changes?: ProofChanges;
  readonly nonce?: string | null;
  readonly scheme?: string;
}

/** Sends a request as a host does: with a proof, and the nonce of the moment. */
export async function sendAsHost(
  service: TestService,
  key: HostKey,
  method: string,
  path: string,
  sending: HostSending = {},
): Promise<Answered> {
  const { token = null, changes, scheme = 'DPoP', ...rest } = sending;
  const nonce = sending.nonce === undefined ? await currentNonce(service) : (sending.nonce ?? undefined);
  const request = { method, url: ISSUER + path, now: service.clock.now(), token: token ?? undefined, nonce };
  const proof = await signProof(sending.key ?? key, request, changes);
  const headers = { dpop: proof, ...(token === null ? {} : { authorization: `${scheme} ${token}` }), ...rest.headers };
  return send(service, method, path, { ...rest, token: null, headers });
}

/** The nonce that the service gives now. */
export async function currentNonce(service: TestService): Promise<string> {
  const { headers } = await send(service, 'GET', '/healthz', { token: null, headers: { dpop: 'none' } });
  return headers.get('dpop-nonce') ?? '';
}

/** A trusted runner: its key, its token, and a way to ask with both. */
export interface TestRunner extends RedeemedRunner {
  readonly key: HostKey;
  send(method: string, path: string, sending?: HostSending): Promise<Answered>;
}

let enrolled = 0;

/** Enrols a host, approves it as the owner and fetches its token. */
export async function seedRunner(
  service: TestService,
  {
    name = `runner-${++enrolled}`,
    labels = [],
    approver = service.owner.printed,
    alg = 'EdDSA',
  }: {
    name?: string;
    labels?: string[];
    approver?: string;
    alg?: HostKey['alg'];
  } = {},
): Promise<TestRunner> {
  const key = await makeHostKey(alg);
  const address = `198.51.100.${enrolled % 250}`;
  const opened = await sendAsHost(service, key, 'POST', '/v1/runner-enrolments', { json: { name, labels }, address });
  if (opened.status !== 201) throw new Error(`enrolment: ${opened.text}`);
  const { id, user_code } = opened.body;
  const approved = await send(service, 'POST', '/v1/runner-enrolments/approve', {
    token: approver,
    json: { user_code },
  });
  if (approved.status !== 201) throw new Error(`approval: ${approved.text}`);
  const redeemed = await sendAsHost(service, key, 'POST', `/v1/runner-enrolments/${String(id)}/redeem`);
  if (redeemed.status !== 200) throw new Error(`redemption: ${redeemed.text}`);
  const runner = redeemed.body as unknown as RedeemedRunner;
  return {
    ...runner,
    key,
    send: (method, path, sending = {}) => sendAsHost(service, key, method, path, { token: runner.token, ...sending }),
  };
}
