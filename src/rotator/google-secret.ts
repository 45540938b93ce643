import type { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { googlePlace } from '../rules/sink-text.js';
import { crc32c } from './crc32c.js';
import { type Pause, pauseByClock } from './forge.js';
import { askGoogle, googleEndpoint } from './google-client.js';
import { requirePeer } from './optional-peer.js';
import { secretIn, withSecret } from './secret-text.js';
import { type Environment, type Sink, SinkError, SinkTextError } from './sink.js';

/** How often the latest version is looked for, a second apart: it is told to all of Google later than its number. */
const LOOKS = 10;
const ATTEMPTS = 4;

interface Version {
  /** From 1, without gaps. */
  readonly number: number;
  readonly text: string;
}

/** `google:PROJECT/SECRET` or `google:projects/PROJECT/secrets/SECRET`, with `#KEY` for a key of a secret that is a JSON
 *  object: a secret of Google Secret Manager that is there and has a version. It gets another version, whose checksum is
 *  compared; the ones before stay. Credentials are the application default ones. */
export function googleSecret(rest: string, name: string, env: Environment, pause: Pause = pauseByClock): Sink {
  const place = googlePlace(rest);
  if (place === undefined) {
    throw new SinkTextError(`${JSON.stringify(name)} is no secret of Google: google:PROJECT/SECRET#KEY`);
  }
  requirePeer('@google-cloud/secret-manager');
  const { project, secret: id, key } = place;
  const what = `the secret ${project}/${id} of Google`;
  const parent = `projects/${project}/secrets/${id}`;
  const asked = { what, project, endpoint: googleEndpoint(env) };

  const numberOf = (version: string | null | undefined): number => {
    const [, secret, number] =
      /^projects\/[^/]+\/secrets\/([^/]+)\/versions\/([1-9]\d{0,9})$/.exec(version ?? '') ?? [];
    if (secret === id && number !== undefined) return Number(number);
    throw new SinkError(`${what} answered with another secret`);
  };
  const access = async (client: SecretManagerServiceClient, version: number | 'latest'): Promise<Version> => {
    const [found] = await client.accessSecretVersion({ name: `${parent}/versions/${version}` });
    const { data, dataCrc32c } = found.payload ?? {};
    const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.from(data ?? []);
    if (String(dataCrc32c) !== String(crc32c(bytes))) throw new SinkError(`${what} was damaged on its way`);
    return { number: numberOf(found.name), text: textOf(bytes, what) };
  };
  const add = async (client: SecretManagerServiceClient, text: string): Promise<number> => {
    const data = Buffer.from(text);
    const [made] = await client.addSecretVersion({ parent, payload: { data, dataCrc32c: crc32c(data) } });
    const number = numberOf(made.name);
    if ((await access(client, number)).text === text) return number;
    throw new SinkError(`${what} holds something else than what was written to it`);
  };
  const addKey = async (client: SecretManagerServiceClient, ofKey: string, secret: string): Promise<number> => {
    let { number: known, text } = await access(client, 'latest');
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const made = await add(client, withSecret(text, ofKey, secret, what));
      if (made === known + 1) return made;
      // Somebody else made versions in between: what the last of them says is taken over, into another one.
      known = made;
      text = (await access(client, made - 1)).text;
    }
    throw new SinkError(`${what} was changed by somebody else at each attempt`);
  };
  const seeLatest = async (client: SecretManagerServiceClient, made: number, signal: AbortSignal): Promise<void> => {
    for (let look = 1; (await access(client, 'latest')).number < made; look += 1) {
      if (look === LOOKS) throw new SinkError(`${what} is stored, but not the latest version yet: run it again later`);
      await pause(1000, signal);
    }
  };
  return {
    name,
    describe: () => (key === undefined ? what : `the key ${key} of ${what}`),
    read: async (signal) =>
      secretIn((await askGoogle(asked, signal, (client) => access(client, 'latest'))).text, key, what),
    write: (secret, signal) =>
      askGoogle(asked, signal, async (client) => {
        const made = key === undefined ? await add(client, secret) : await addKey(client, key, secret);
        await seeLatest(client, made, signal);
      }),
  };
}

function textOf(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SinkError(`${what} is binary: make it a text`);
  }
}
