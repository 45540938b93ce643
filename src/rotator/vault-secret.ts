import { z } from 'zod';
import { vaultPlace } from '../rules/sink-text.js';
import { type Environment, placeOf, type Sink, SinkError } from './sink.js';
import { callSink, credentialOf, jsonOf, type SinkAnswer, sinkAddress } from './sink-call.js';

const found = z.object({
  data: z.object({
    data: z.record(z.string(), z.unknown()).nullable(),
    metadata: z.object({ version: z.int().min(0) }),
  }),
});
/** What never was. A mount that is not there has an error in it. */
const nothing = z.object({ errors: z.tuple([]) });

const ATTEMPTS = 4;

interface Version {
  readonly data: Readonly<Record<string, unknown>>;
  readonly version: number;
}

/** `vault:MOUNT/PATH#KEY`: a key of a secret in the KV store, version 2, of HashiCorp Vault or OpenBao. The other keys stay:
 *  it is written with check-and-set on the version that was read. Needs VAULT_ADDR and VAULT_TOKEN; knows VAULT_NAMESPACE. */
export function vaultSecret(rest: string, name: string, env: Environment): Sink {
  const { mount, path, key } = placeOf(vaultPlace(rest), name, 'secret of Vault: vault:MOUNT/PATH#KEY');
  const address = sinkAddress(env['VAULT_ADDR'] ?? '', 'VAULT_ADDR');
  const token = credentialOf(env['VAULT_TOKEN'], 'VAULT_TOKEN');
  const namespace = env['VAULT_NAMESPACE'] ?? '';
  const url = new URL(`${address}/v1/${encodeURIComponent(mount)}/data/${path.map(encodeURIComponent).join('/')}`);
  const where = `${mount}/${path.join('/')}`;
  const what = `Vault's ${where}`;
  const headers = {
    'x-vault-token': token,
    'x-vault-request': 'true',
    ...(namespace === '' ? {} : { 'x-vault-namespace': credentialOf(namespace, 'VAULT_NAMESPACE') }),
  };

  const current = async (signal: AbortSignal): Promise<Version> => {
    const answer = await callSink(what, { url, method: 'GET', headers }, signal);
    const parsed = found.safeParse(jsonOf(answer));
    if (answer.status === 200 && parsed.success) return versionOf(parsed.data);
    // A version that was deleted is not found, and counts all the same; what never was has no body but errors.
    if (answer.status === 404 && parsed.success) return versionOf(parsed.data);
    if (answer.status === 404 && isNothing(answer)) return { data: {}, version: 0 };
    throw refused(what, answer);
  };
  const put = async (secret: string, signal: AbortSignal): Promise<boolean> => {
    const { data, version } = await current(signal);
    const body = JSON.stringify({ options: { cas: version }, data: { ...data, [key]: secret } });
    const written = { ...headers, 'content-type': 'application/json' };
    const answer = await callSink(what, { url, method: 'POST', headers: written, body }, signal);
    if (answer.status === 200 || answer.status === 204) return true;
    if (answer.status === 400 && answer.text.includes('check-and-set')) return false;
    throw refused(what, answer);
  };
  return {
    name,
    describe: () => `the key ${key} of ${where} at ${url.origin}`,
    read: async (signal) => {
      const value = (await current(signal)).data[key];
      return typeof value === 'string' && value !== '' ? value.trim() : undefined;
    },
    write: async (secret, signal) => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (await put(secret, signal)) return;
      throw new SinkError(`${what} was changed by somebody else at each attempt`);
    },
  };
}

function versionOf({ data: { data, metadata } }: z.infer<typeof found>): Version {
  return { data: data ?? {}, version: metadata.version };
}

function isNothing(answer: SinkAnswer): boolean {
  return nothing.safeParse(jsonOf(answer)).success;
}

/** Why it was refused, in a status: what a server says may repeat what it was sent. */
function refused(what: string, { status }: SinkAnswer): SinkError {
  const why = status === 403 ? ': VAULT_TOKEN may not read, create and update it, or has ended' : '';
  return new SinkError(`${what} answered with status ${status}${why}`);
}
