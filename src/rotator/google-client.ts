import type { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { type Environment, SinkError, SinkTextError } from './sink.js';
import { callSink, isPrivateAddress, sinkAddress } from './sink-call.js';

/** Where a secret is asked for. */
export interface GoogleProject {
  /** The secret, for people. */
  readonly what: string;
  readonly project: string;
  /** Another address than Google's, as of a private endpoint. */
  readonly endpoint: URL | undefined;
}

const ENDPOINT = 'CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER';
const LOGGING = 'GOOGLE_SDK_NODE_LOGGING';
const REASONS: Readonly<Record<number, string>> = {
  400: 'it does not take the value, or its latest version is disabled or destroyed',
  401: 'the credentials are not valid',
  403: 'the credentials may not do it: see the permissions that it needs',
  404: 'there is no such secret, or it has no version: make it first',
  429: 'it is asked too often: try again later',
};

/** The address that the environment names for Secret Manager, as gcloud knows it, if it does. Refuses an environment in which
 *  the SDK would log what it sends. Throws {@link SinkTextError}. */
export function googleEndpoint(env: Environment): URL | undefined {
  if (env[LOGGING]) throw new SinkTextError(`${LOGGING} would have secrets logged: unset it`);
  if (!env[ENDPOINT]) return undefined;
  const url = new URL(sinkAddress(env[ENDPOINT], ENDPOINT));
  if (url.pathname !== '/') throw new SinkTextError(`${ENDPOINT} must not hold a path`);
  return url;
}

/** Asks Google Secret Manager with the application default credentials, by HTTP and JSON. Throws {@link SinkError}, which
 *  tells nothing of what the service said. */
export async function askGoogle<T>(
  { what, project, endpoint }: GoogleProject,
  signal: AbortSignal,
  act: (client: SecretManagerServiceClient) => Promise<T>,
): Promise<T> {
  const { SecretManagerServiceClient: Client } = await import('@google-cloud/secret-manager');
  let status: number | undefined;
  const send: typeof fetch = async (...given) => {
    const answer = await sendPlainly(what, given, signal);
    if (/^\/v1\/projects\/[^/]+\/secrets\//.test(answer.path)) status = answer.response.status;
    return answer.response;
  };
  const elsewhere = endpoint && {
    apiEndpoint: endpoint.hostname,
    protocol: endpoint.protocol.replace(':', ''),
    port: Number(endpoint.port || (endpoint.protocol === 'https:' ? 443 : 80)),
  };
  const client = new Client({
    fallback: true,
    // Without it the SDK asks other services of Google which project it is in.
    projectId: project,
    clientOptions: { transporterOptions: { fetchImplementation: send } },
    ...elsewhere,
  });
  const work = async () => {
    // A call before that would have its failure thrown where nobody catches it.
    await client.initialize();
    return await act(client);
  };
  const over = new AbortController();
  try {
    return await Promise.race([work(), aborted(what, signal, over.signal)]);
  } catch (error) {
    throw refused(what, error, status);
  } finally {
    over.abort();
  }
}

/** Sends what the SDK asks for in the way of all sinks: no redirect is followed, no answer is without an end, and nobody on
 *  the way reads it. */
async function sendPlainly(what: string, [input, init]: Parameters<typeof fetch>, signal: AbortSignal) {
  const url = new URL(input instanceof Request ? input.url : input);
  const { method = 'GET', body = undefined } = init ?? {};
  const isText = typeof body === 'string' || body instanceof URLSearchParams;
  if ((method !== 'GET' && method !== 'POST') || (body != null && !isText)) {
    throw new SinkError(`${what} is asked for in a way that is not known here`);
  }
  if (!isPrivateAddress(url)) throw new SinkError(`${what} is asked for by plain http: use https`);
  const headers = Object.fromEntries(new Headers(init?.headers));
  const answer = await callSink(what, { url, method, headers, body: body?.toString() }, signal);
  const told = new Headers();
  for (const [name, value = ''] of Object.entries(answer.headers)) told.set(name, [value].flat().join(', '));
  const isEmpty = [204, 205, 304].includes(answer.status);
  const response = new Response(isEmpty ? null : answer.text, { status: answer.status, headers: told });
  return { path: url.pathname, response };
}

/** Throws when the first signal aborts before the second: the SDK waits for its credentials as long as it likes. */
function aborted(what: string, signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(new SinkError(`${what} did not answer in time`));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true, signal: over });
  });
}

function refused(what: string, error: unknown, status: number | undefined): SinkError {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof SinkError) return cause;
  if (status === undefined) {
    return new SinkError(`${what} cannot be asked for: no application default credentials of Google can be used`);
  }
  const reason = REASONS[status];
  if (reason !== undefined) return new SinkError(`${what} was refused: ${reason}`);
  return new SinkError(
    `${what} answered with ${status === 200 ? 'something that is not its own' : `status ${status}`}`,
  );
}
