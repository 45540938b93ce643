import type { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { z } from 'zod';
import { type Environment, SinkError } from './sink.js';
import { callSink, isPrivateAddress, sinkAddress } from './sink-call.js';

/** Where a secret is asked for. */
export interface AwsPlace {
  /** For people. */
  readonly what: string;
  /** That of the secret's ARN; without one the SDK finds it in the environment. */
  readonly region: string | undefined;
  /** Another address than the region's, as of a VPC endpoint. */
  readonly endpoint: string | undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  AccessDeniedException: 'the credentials may not do it: see the permissions that it needs',
  CredentialsProviderError: 'there are no credentials in the environment',
  DecryptionFailure: 'its key cannot be used',
  EncryptionFailure: 'its key cannot be used',
  ExpiredTokenException: 'the credentials have ended',
  InvalidRequestException: 'it is scheduled for deletion, or another service manages it',
  InvalidSignatureException: 'the credentials are not valid, or the clock is wrong',
  LimitExceededException: 'it has too many versions of the last day',
  ResourceNotFoundException: 'there is no such secret, or it has no value: make it first',
  ThrottlingException: 'it is asked too often: try again later',
  UnrecognizedClientException: 'the credentials are not valid',
};

/** What the SDK sends, as far as it concerns the sending. */
const signed = z.object({
  method: z.enum(['GET', 'POST']),
  protocol: z.string(),
  hostname: z.string(),
  port: z.number().optional(),
  path: z.string(),
  query: z.record(z.string(), z.union([z.string(), z.array(z.string())])).optional(),
  headers: z.record(z.string(), z.string()),
  body: z
    .union([z.string(), z.instanceof(Uint8Array).transform((bytes) => new TextDecoder().decode(bytes))])
    .optional(),
});
const failure = z.object({ name: z.string(), $metadata: z.object({ httpStatusCode: z.number() }).optional() });

/** The address that the environment names for Secrets Manager, if it does. Throws {@link SinkTextError}. */
export function awsEndpoint(env: Environment): string | undefined {
  const origin = env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] ? 'AWS_ENDPOINT_URL_SECRETS_MANAGER' : 'AWS_ENDPOINT_URL';
  return env[origin] ? sinkAddress(env[origin], origin) : undefined;
}

/** Asks AWS Secrets Manager with credentials that the SDK finds. Throws {@link SinkError}, which tells nothing of what the
 *  service said. */
export async function askAws<T>(
  { what, region, endpoint }: AwsPlace,
  signal: AbortSignal,
  act: (secrets: SecretsManager) => Promise<T>,
): Promise<T> {
  const sdk = await import('@aws-sdk/client-secrets-manager');
  const secrets = new sdk.SecretsManager({
    requestHandler: { handle: (request: unknown) => send(what, request, signal) },
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  try {
    return await act(secrets);
  } catch (error) {
    throw refused(what, error);
  } finally {
    secrets.destroy();
  }
}

/** Why the last call was not done, in the name that AWS has for it, if that is one of those that are documented. */
export function isRefusal(error: unknown, name: keyof typeof REASONS): boolean {
  return error instanceof Error && error.name === name;
}

/** Sends what the SDK signed in the way of all sinks: no redirect is followed, no answer is without an end, and nobody on the
 *  way reads it. */
async function send(what: string, given: unknown, signal: AbortSignal) {
  const { method, protocol, hostname, port, path, query, headers, body } = signed.parse(given);
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat()) url.searchParams.append(name, one);
  }
  if (!isPrivateAddress(url)) throw new SinkError(`${what} is asked for by plain http: use https`);
  const answer = await callSink(what, { url, method, headers: { accept: '*/*', ...headers }, body }, signal);
  const told = Object.entries(answer.headers).map(([name, value = '']) => [name, [value].flat().join(', ')]);
  return {
    response: { statusCode: answer.status, headers: Object.fromEntries(told), body: Buffer.from(answer.text) },
  };
}

function refused(what: string, error: unknown): SinkError {
  if (error instanceof SinkError) return error;
  if (error instanceof Error && /^Region (is missing|not accepted)/.test(error.message)) {
    return new SinkError(`${what} is in no region that is one: set AWS_REGION`);
  }
  const { data } = failure.safeParse(error);
  const reason = data !== undefined && Object.hasOwn(REASONS, data.name) ? REASONS[data.name] : undefined;
  if (reason !== undefined) return new SinkError(`${what} was refused: ${reason}`);
  const status = data?.$metadata?.httpStatusCode;
  const why = status === undefined || status === 200 ? 'with something that is not its own' : `with status ${status}`;
  return new SinkError(`${what} answered ${why}`);
}
