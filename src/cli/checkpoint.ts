import { readFile } from 'node:fs/promises';
import { compactVerify, createLocalJWKSet, errors } from 'jose';
import { z } from 'zod';
import { UnreachableError } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { print, printJson } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

const claims = z.object({ workspace_id: z.string(), seq: z.int(), hash: z.string(), at: z.string() });
const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });
const TIMEOUT_MS = 10_000;

/** The signed head of a chain: what its last event was at that time. */
export type CheckpointClaims = z.infer<typeof claims>;

/** `audit checkpoint`: prints the signed head of the chain, to be kept where the service cannot change it. */
export async function printCheckpoint(flags: { json?: true }): Promise<number> {
  const { checkpoint } = await (await signedInClient()).auditCheckpoint();
  if (flags.json) printJson({ checkpoint, ...unverifiedClaims(checkpoint) });
  else print(checkpoint);
  return 0;
}

/** Reads what a checkpoint says, without asking who signed it. */
export function unverifiedClaims(jws: string): CheckpointClaims {
  const parsed = claims.safeParse(parseJson(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')));
  if (!parsed.success) throw new UsageError('the checkpoint is not one of Countersign');
  return parsed.data;
}

/** Reads a saved checkpoint and checks its signature by the keys in a file, or by those that the service shows today.
 *  Gives `undefined` when none of them signed it. */
export async function readCheckpoint(
  path: string,
  jwksPath: string | undefined,
  url: string,
): Promise<CheckpointClaims | undefined> {
  const jws = (await readText(path)).trim();
  const said = unverifiedClaims(jws);
  const keys = keySet.safeParse(jwksPath === undefined ? await fetchKeys(url) : parseJson(await readText(jwksPath)));
  if (!keys.success) throw new UsageError('the keys are not a JWK set (RFC 7517)');
  try {
    await compactVerify(jws, createLocalJWKSet(keys.data), { algorithms: ['EdDSA', 'Ed25519', 'ES256'] });
    return said;
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

async function fetchKeys(url: string): Promise<unknown> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${url}/.well-known/jwks.json`, { redirect: 'error', signal });
    if (response.ok) return await response.json();
  } catch (error) {
    throw new UnreachableError(`cannot read the keys of ${url}`, { cause: error });
  }
  throw new UnreachableError(`${url} does not show its keys`);
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${printable(path)} cannot be read (${error.code})`);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
