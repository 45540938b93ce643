import { randomUUID } from 'node:crypto';
import type { GetSecretValueCommandOutput, SecretsManager } from '@aws-sdk/client-secrets-manager';
import { awsPlace } from '../rules/sink-text.js';
import { askAws, awsEndpoint, isRefusal } from './aws-client.js';
import { requirePeer } from './optional-peer.js';
import { secretIn, withSecret } from './secret-text.js';
import { type Environment, type Sink, SinkError, SinkTextError } from './sink.js';

const CURRENT = 'AWSCURRENT';
/** What a new version is called until it is the current one. */
const DRAFT = 'COUNTERSIGN';
const ATTEMPTS = 4;

interface Version {
  readonly text: string;
  readonly id: string;
}

/** `aws:NAME` or `aws:ARN`, with `#KEY` for a key of a secret that is a JSON object: a secret of AWS Secrets Manager that is
 *  there and has a value. The other keys stay: the version that becomes the current one takes the place of the one that was
 *  read, or of none. Credentials and region are what the SDK finds; of an ARN it is the ARN's region. Knows
 *  AWS_ENDPOINT_URL. Refuses a secret that is binary. */
export function awsSecret(rest: string, name: string, env: Environment): Sink {
  const found = awsPlace(rest);
  if (found === undefined) {
    throw new SinkTextError(`${JSON.stringify(name)} is no secret of AWS: aws:NAME#KEY, by name or ARN`);
  }
  const { secret: id, region, key } = found;
  requirePeer('@aws-sdk/client-secrets-manager');
  const what = `the secret ${id} of AWS`;
  const place = { what, region, endpoint: awsEndpoint(env) };

  const current = async (secrets: SecretsManager): Promise<Version> =>
    versionOf(await secrets.getSecretValue({ SecretId: id, VersionStage: CURRENT }), what);

  const replaceKey = async (secrets: SecretsManager, ofKey: string, secret: string): Promise<boolean> => {
    const { text, id: before } = await current(secrets);
    const made = randomUUID();
    const SecretString = withSecret(text, ofKey, secret, what);
    await secrets.putSecretValue({ SecretId: id, ClientRequestToken: made, SecretString, VersionStages: [DRAFT] });
    const move = { VersionStage: CURRENT, MoveToVersionId: made, RemoveFromVersionId: before };
    try {
      await secrets.updateSecretVersionStage({ SecretId: id, ...move });
      return true;
    } catch (error) {
      if (!isRefusal(error, 'InvalidParameterException') && !isRefusal(error, 'InvalidRequestException')) throw error;
      const { id: after } = await current(secrets);
      if (after === before) throw error;
      return after === made;
    }
  };
  return {
    name,
    describe: () => (key === undefined ? what : `the key ${key} of ${what}`),
    read: async (signal) => secretIn((await askAws(place, signal, current)).text, key, what),
    write: (secret, signal) =>
      askAws(place, signal, async (secrets) => {
        if (key === undefined) {
          await secrets.putSecretValue({ SecretId: id, ClientRequestToken: randomUUID(), SecretString: secret });
          return;
        }
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (await replaceKey(secrets, key, secret)) return;
        throw new SinkError(`${what} was changed by somebody else at each attempt`);
      }),
  };
}

function versionOf({ SecretString, SecretBinary, VersionId }: GetSecretValueCommandOutput, what: string): Version {
  if (SecretBinary !== undefined) throw new SinkError(`${what} is binary: make it a text`);
  if (SecretString === undefined || VersionId === undefined) throw new SinkError(`${what} has no value: make it first`);
  return { text: SecretString, id: VersionId };
}
