import { createHash, createHmac } from 'node:crypto';
import { type Asked, type LoopbackForge, openForge, type Told } from './loopback-forge.js';

/** AWS Secrets Manager as its reference describes the three calls that a sink makes. Each request is taken only with a
 *  Signature Version 4 that the key of {@link AWS_ENV} makes, and with the headers that the SDK sends. */
export interface FakeAws extends LoopbackForge {
  /** By name. */
  readonly secrets: Map<string, AwsSecret>;
  /** The actions that the credentials may do; all of them where nothing is said. */
  allowed: readonly string[] | undefined;
  /** Called before a call is looked at: somebody else may come in between. */
  interfere: ((action: string) => void) | undefined;
  /** The actions that were asked for and whose signature was right. */
  readonly actions: string[];
}

interface AwsSecret {
  readonly versions: Map<string, AwsVersion>;
  isDeleted: boolean;
}

interface AwsVersion {
  readonly text?: string;
  readonly binary?: string;
  readonly stages: Set<string>;
}

const ACCESS_KEY = 'AKIAROTATORSEXAMPLE1';
const SECRET_KEY = 'secret-key/of+the+rotator';
const SESSION_TOKEN = 'session-token-of-the-rotator';
export const AWS_CREDENTIALS = [SECRET_KEY, SESSION_TOKEN];
const REGION = 'eu-central-1';
export const ARN_PREFIX = `arn:aws:secretsmanager:${REGION}:123456789012:secret:`;
const SUFFIX = '-a1B2c3';

/** What a rotator has in its environment: these credentials, and nothing of the machine's. */
export const AWS_ENV = {
  AWS_ACCESS_KEY_ID: ACCESS_KEY,
  AWS_SECRET_ACCESS_KEY: SECRET_KEY,
  AWS_SESSION_TOKEN: SESSION_TOKEN,
  AWS_REGION: REGION,
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_EC2_METADATA_DISABLED: 'true',
};

const HEADERS = new Set(
  'accept accept-encoding amz-sdk-invocation-id amz-sdk-request authorization connection content-length content-type host user-agent x-amz-content-sha256 x-amz-date x-amz-security-token x-amz-target x-amz-user-agent'.split(
    ' ',
  ),
);
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  GetSecretValue: ['SecretId', 'VersionStage'],
  PutSecretValue: ['SecretId', 'ClientRequestToken', 'SecretString', 'VersionStages'],
  UpdateSecretVersionStage: ['SecretId', 'VersionStage', 'MoveToVersionId', 'RemoveFromVersionId'],
};

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

export function awsRefusal(name: string, message = 'no', status = 400): Told {
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': 'a-request' };
  return { status, headers, body: { __type: name, Message: message } };
}

/** Starts it. Close it in `afterAll`. */
export async function openFakeAws(): Promise<FakeAws> {
  const answer = (asked: Asked): Told => {
    const action = /^secretsmanager\.(\w+)$/.exec(String(asked.headers['x-amz-target']))?.[1] ?? '';
    const members = MEMBERS[action];
    if (asked.method !== 'POST' || asked.url !== '/' || members === undefined) {
      return awsRefusal('UnknownOperationException');
    }
    const wrong = faultOf(asked);
    if (wrong !== undefined) return wrong;
    const given: Record<string, string> & { VersionStages?: string[] } = JSON.parse(asked.body);
    if (Object.keys(given).some((one) => !members.includes(one))) return awsRefusal('SerializationException');
    fake.actions.push(action);
    fake.interfere?.(action);
    if (fake.allowed?.includes(action) === false) return awsRefusal('AccessDeniedException');
    const id = given['SecretId'] ?? '';
    const name = id.startsWith(ARN_PREFIX) ? id.slice(ARN_PREFIX.length).replace(/-[A-Za-z0-9]{6}$/, '') : id;
    const secret = fake.secrets.get(name);
    if (secret === undefined) return notFound("Secrets Manager can't find the specified secret.");
    if (secret.isDeleted) {
      const why = "You can't perform this operation on the secret because it was marked for deletion.";
      return awsRefusal('InvalidRequestException', why);
    }
    const told = (body: object): Told => ({
      status: 200,
      headers: { 'content-type': 'application/x-amz-json-1.1' },
      body: { ARN: `${ARN_PREFIX}${name}${SUFFIX}`, Name: name, ...body },
    });
    switch (action) {
      case 'GetSecretValue':
        return get(secret, given['VersionStage'] ?? 'AWSCURRENT', told);
      case 'PutSecretValue':
        return put(secret, given, told);
      default:
        return move(secret, given, told);
    }
  };
  const fake: FakeAws = Object.assign(await openForge((asked) => answer(asked)), {
    secrets: new Map<string, AwsSecret>(),
    allowed: undefined,
    interfere: undefined,
    actions: [],
  });
  return fake;
}

/** A secret of one version, which is the current one. */
export function awsSecretOf(value: { text?: string; binary?: string }, id = 'version-of-somebody'): AwsSecret {
  return { versions: new Map([[id, { ...value, stages: new Set(['AWSCURRENT']) }]]), isDeleted: false };
}

/** The current version of a secret, with its id. */
export function currentOf(secret: AwsSecret | undefined): (AwsVersion & { id: string }) | undefined {
  const found = secret && holderOf(secret, 'AWSCURRENT');
  return found && { id: found[0], ...found[1] };
}

type Answering = (body: object) => Told;

function notFound(why: string): Told {
  return awsRefusal('ResourceNotFoundException', why);
}

function holderOf({ versions }: AwsSecret, stage: string) {
  return [...versions].find(([, { stages }]) => stages.has(stage));
}

/** Puts a label on a version, from where it is; AWSPREVIOUS follows AWSCURRENT. */
export function label(secret: AwsSecret, stage: string, id: string): void {
  const before = holderOf(secret, stage);
  before?.[1].stages.delete(stage);
  secret.versions.get(id)?.stages.add(stage);
  if (stage === 'AWSCURRENT' && before !== undefined && before[0] !== id) label(secret, 'AWSPREVIOUS', before[0]);
}

function get(secret: AwsSecret, stage: string, told: Answering): Told {
  const found = holderOf(secret, stage);
  if (found === undefined) {
    return notFound(`Secrets Manager can't find the specified secret value for staging label: ${stage}`);
  }
  const [VersionId, { text, binary, stages }] = found;
  const value = text === undefined ? { SecretBinary: binary } : { SecretString: text };
  return told({ VersionId, ...value, VersionStages: [...stages], CreatedDate: 1.7e9 });
}

function put(secret: AwsSecret, given: Record<string, string> & { VersionStages?: string[] }, told: Answering): Told {
  const { ClientRequestToken: id = '', SecretString: text = '', VersionStages: stages = ['AWSCURRENT'] } = given;
  if (!/^[A-Za-z0-9-]{32,64}$/.test(id) || text === '') return awsRefusal('InvalidParameterException');
  const known = secret.versions.get(id);
  if (known !== undefined && known.text !== text) return awsRefusal('ResourceExistsException');
  if (known === undefined) secret.versions.set(id, { text, stages: new Set() });
  for (const stage of stages) label(secret, stage, id);
  return told({ VersionId: id, VersionStages: stages });
}

function move(secret: AwsSecret, given: Record<string, string>, told: Answering): Told {
  const { VersionStage: stage = '', MoveToVersionId: to = '', RemoveFromVersionId: from } = given;
  if (!secret.versions.has(to)) return notFound("Secrets Manager can't find the specified secret value for VersionId");
  const holder = holderOf(secret, stage)?.[0];
  if (holder !== undefined && holder !== from) {
    const why = `The parameter RemoveFromVersionId is wrong. Staging label ${stage} is currently attached to version ${holder}.`;
    return awsRefusal('InvalidParameterException', why);
  }
  label(secret, stage, to);
  return told({});
}

/** What is wrong with the headers, as Signature Version 4 rules them. */
function faultOf({ method, headers, body }: Asked): Told | undefined {
  const unknown = Object.keys(headers).find((name) => !HEADERS.has(name));
  if (unknown !== undefined) return awsRefusal('SerializationException', `${unknown} is not for us`);
  if (headers['content-type'] !== 'application/x-amz-json-1.1') return awsRefusal('SerializationException');
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/((\d{8})\/([^/]+)\/secretsmanager\/aws4_request), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, key, scope = '', day = '', region = '', names = '', signature] =
    form.exec(headers.authorization ?? '') ?? [];
  if (key === undefined) return awsRefusal('MissingAuthenticationTokenException');
  if (key !== ACCESS_KEY || headers['x-amz-security-token'] !== SESSION_TOKEN) {
    return awsRefusal('UnrecognizedClientException', 'The security token included in the request is invalid.');
  }
  const date = String(headers['x-amz-date']);
  const [, y, m, d, h, min, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
  const isNow = Math.abs(Date.parse(`${y}-${m}-${d}T${h}:${min}:${s}Z`) - Date.now()) < 300_000;
  const signed = names.split(';');
  const isWhole = ['content-type', 'host', 'x-amz-date', 'x-amz-security-token', 'x-amz-target'].every((one) =>
    signed.includes(one),
  );
  const payload = hash(body);
  const canonical = [
    method,
    '/',
    '',
    ...signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}`),
    '',
    names,
    payload,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', date, scope, hash(canonical)].join('\n');
  const signingKey = [day, region, 'secretsmanager', 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${SECRET_KEY}`);
  const isRight =
    isNow &&
    isWhole &&
    day === date.slice(0, 8) &&
    region === REGION &&
    headers['x-amz-content-sha256'] === payload &&
    signature === hmac(signingKey, text).toString('hex');
  return isRight ? undefined : awsRefusal('InvalidSignatureException', 'The request signature does not match.');
}
