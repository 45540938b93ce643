import { createServer, type ServerResponse } from 'node:http';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { PublicJwk } from '../../src/wire/trust-rule-resources.js';

/** A key pair of an issuer. */
export interface IssuerKey {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** An identity provider on a port of 127.0.0.1. What it answers can be changed while it runs. */
export interface LoopbackIssuer {
  readonly url: string;
  readonly key: IssuerKey;
  /** What the set has. */
  keys: unknown[];
  /** What the discovery document says. */
  discovery: Record<string, unknown>;
  /** Answers instead, by path; gives false to let it be. */
  intercept: (path: string, response: ServerResponse) => boolean;
  /** The paths that were asked for. */
  readonly asked: string[];
  /** A token with these claims, of the issuer, made now by the clock and good for 5 minutes. */
  sign(claims: Record<string, unknown>, signing?: Signing): Promise<string>;
  close(): Promise<void>;
}

interface Signing {
  readonly key?: IssuerKey;
  readonly header?: Record<string, unknown>;
}

/** Makes a key of an algorithm, named by its thumbprint. */
export async function makeIssuerKey(alg = 'ES256'): Promise<IssuerKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { alg, kid, privateKey, publicJwk: { ...jwk, kid, alg, use: 'sig' } };
}

/** Signs claims as they are. */
export function signJob(
  key: IssuerKey,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })
    .sign(key.privateKey);
}

/** The public half of a key, for a rule that brings it. */
export function publicJwk({ publicJwk: { kty = '', crv, x, y, n, e }, kid }: IssuerKey): PublicJwk {
  return { kty, kid, crv, x, y, n, e };
}

/** Starts an issuer. Close it in `afterAll` or `afterEach`. */
export async function createLoopbackIssuer(now: () => Date): Promise<LoopbackIssuer> {
  const key = await makeIssuerKey();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    issuer.asked.push(path);
    if (issuer.intercept(path, response)) return;
    const found =
      path === '/.well-known/openid-configuration'
        ? issuer.discovery
        : path === '/jwks'
          ? { keys: issuer.keys }
          : undefined;
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('listening gave no port');
  const url = `http://127.0.0.1:${address.port}`;
  const issuer: LoopbackIssuer = {
    url,
    key,
    keys: [key.publicJwk],
    discovery: { issuer: url, jwks_uri: `${url}/jwks` },
    intercept: () => false,
    asked: [],
    sign: (claims, { key: other = key, header = {} } = {}) => {
      const iat = Math.floor(now().getTime() / 1000);
      return signJob(other, { iss: url, iat, nbf: iat, exp: iat + 300, jti: crypto.randomUUID(), ...claims }, header);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return issuer;
}
