import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { kubernetesPlace } from '../rules/sink-text.js';
import { type Environment, placeOf, type Sink, SinkError, SinkTextError } from './sink.js';
import { callSink, credentialOf, jsonOf, type SinkAnswer, sinkAddress } from './sink-call.js';

const secretResource = z.object({ kind: z.literal('Secret'), data: z.record(z.string(), z.string()).optional() });

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** `kubernetes:NAMESPACE/NAME#KEY`: a key of a Secret that is there. The other keys stay. The rotator asks as the service
 *  account of its pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name the API, KUBERNETES_SERVICE_ACCOUNT_DIR the
 *  directory of `token` and `ca.crt` where it is not the usual one. */
export function kubernetesSecret(rest: string, name: string, env: Environment): Sink {
  const form = 'Secret of Kubernetes: kubernetes:NAMESPACE/NAME#KEY';
  const { namespace, secretName, key } = placeOf(kubernetesPlace(rest), name, form);
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  if (host === '') throw new SinkTextError('KUBERNETES_SERVICE_HOST is not set: the rotator runs in no pod');
  const authority = `${host.includes(':') ? `[${host}]` : host}:${env['KUBERNETES_SERVICE_PORT'] ?? '443'}`;
  const address = sinkAddress(`https://${authority}`, 'KUBERNETES_SERVICE_HOST');
  const url = new URL(`${address}/api/v1/namespaces/${namespace}/secrets/${secretName}`);
  const directory = env['KUBERNETES_SERVICE_ACCOUNT_DIR'] ?? MOUNT;
  const what = `the Secret ${namespace}/${secretName}`;

  const ask = async (signal: AbortSignal, patch?: object) => {
    const authorization = `Bearer ${credentialOf(readMounted(directory, 'token'), `the file ${directory}/token`)}`;
    const ca = readMounted(directory, 'ca.crt');
    const method = patch === undefined ? 'GET' : 'PATCH';
    const content = patch === undefined ? {} : { 'content-type': 'application/merge-patch+json' };
    const headers = { authorization, ...content };
    const body = patch === undefined ? undefined : JSON.stringify(patch);
    return keyOf(what, key, await callSink(what, { url, method, headers, body, ca }, signal));
  };
  return {
    name,
    describe: () => `the key ${key} of ${what}`,
    read: (signal) => ask(signal),
    write: async (secret, signal) => {
      await ask(signal, { data: { [key]: Buffer.from(secret).toString('base64') } });
    },
  };
}

function keyOf(what: string, key: string, answer: SinkAnswer): string | undefined {
  const parsed = secretResource.safeParse(jsonOf(answer));
  if (answer.status !== 200 || !parsed.success) throw refused(what, answer);
  const value = Buffer.from(parsed.data.data?.[key] ?? '', 'base64')
    .toString('utf8')
    .trim();
  return value === '' ? undefined : value;
}

/** Read at each use: the token of a pod is replaced within the hour. */
function readMounted(directory: string, file: string): string {
  try {
    return readFileSync(`${directory}/${file}`, 'utf8');
  } catch {
    throw new SinkError(`${directory}/${file} cannot be read`);
  }
}

function refused(what: string, { status }: SinkAnswer): SinkError {
  if (status === 404) return new SinkError(`${what} is not there: make it first, empty`);
  const why = status === 403 ? ': the service account may not get and patch it' : '';
  return new SinkError(`${what} cannot be used: the API answered with status ${status}${why}`);
}
