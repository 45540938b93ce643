import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { placeSecret, readSinks } from '../../src/rotator/placement.js';
import { SinkError, SinkTextError } from '../../src/rotator/sink.js';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';
import {
  ARN_PREFIX,
  AWS_CREDENTIALS,
  AWS_ENV,
  awsRefusal,
  awsSecretOf,
  currentOf,
  type FakeAws,
  label,
  openFakeAws,
} from './fake-aws.js';
import type { Told } from './loopback-forge.js';

const SECRET = `cst_${'1'.repeat(22)}_${'2'.repeat(49)}`;
const OTHER = `cst_${'3'.repeat(22)}_${'4'.repeat(49)}`;
const { signal } = new AbortController();

let aws: FakeAws;

beforeAll(async () => {
  aws = await openFakeAws();
});

beforeEach(() => {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(AWS_ENV)) vi.stubEnv(name, value);
  aws.secrets.clear();
  aws.asked.length = 0;
  aws.actions.length = 0;
  aws.allowed = undefined;
  aws.interfere = undefined;
  aws.intercept = () => undefined;
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await aws.close();
  removeTemporaryDirectories();
});

const sinkOf = (text = 'aws:ci/agent', env = {}) => parseSink(text, { AWS_ENDPOINT_URL: aws.url, ...env });
const current = (name = 'ci/agent') => currentOf(aws.secrets.get(name))?.text;

async function failure(done: Promise<unknown> | undefined): Promise<string> {
  const error = await Promise.resolve(done).then(
    () => new Error('it was done'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SinkError);
  if (!(error instanceof Error)) return '';
  const text = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
  for (const secret of [SECRET, OTHER, ...AWS_CREDENTIALS]) expect(text).not.toContain(secret);
  return error.message;
}

describe('a secret of AWS Secrets Manager', () => {
  test('gets another current version, which is read back; the one before stays as the previous one', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: `${OTHER}\n` }));
    expect(await sinkOf().read?.(signal)).toBe(OTHER);
    const outcomes = await placeSecret(SECRET, await readSinks([sinkOf()]));
    expect(outcomes).toEqual([{ sink: 'aws:ci/agent', state: 'written' }]);
    expect(current()).toBe(SECRET);
    expect(aws.secrets.get('ci/agent')?.versions.get('version-of-somebody')?.stages).toEqual(new Set(['AWSPREVIOUS']));
    expect(aws.actions).toEqual(['GetSecretValue', 'GetSecretValue', 'PutSecretValue', 'GetSecretValue']);
    expect(sinkOf().describe()).toBe('the secret ci/agent of AWS');
    const outside = aws.asked.map(({ url, headers }) => url + JSON.stringify(headers)).join();
    expect(outside).not.toContain('cst_');
    expect(outside).not.toContain(AWS_CREDENTIALS[0]);
  });

  test('is found by its ARN, in the region of that', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: OTHER }));
    vi.stubEnv('AWS_REGION', 'us-east-1');
    await sinkOf(`aws:${ARN_PREFIX}ci/agent-a1B2c3`).write(SECRET, signal);
    expect(current()).toBe(SECRET);
    expect(await failure(sinkOf('aws:ci/agent').write(SECRET, signal))).toContain('the credentials are not valid');
    for (const region of ['', undefined]) {
      vi.stubEnv('AWS_REGION', region);
      expect(await failure(sinkOf('aws:ci/agent').write(SECRET, signal))).toContain('set AWS_REGION');
    }
  });

  test('is written as the role that a job has by its OIDC token', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: OTHER }));
    const file = join(temporaryDirectory(), 'token');
    writeFileSync(file, 'the-jwt-of-the-job');
    const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, AWS_SESSION_TOKEN: session } = AWS_ENV;
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, undefined);
    vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file);
    vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/rotator');
    vi.stubEnv('AWS_ENDPOINT_URL', aws.url);
    const forms: URLSearchParams[] = [];
    aws.intercept = ({ headers, body }) => {
      if (headers['x-amz-target'] !== undefined) return undefined;
      forms.push(new URLSearchParams(body));
      expect(headers.authorization).toBeUndefined();
      expect(headers.accept).toBe('*/*');
      const keys = `<AccessKeyId>${id}</AccessKeyId><SecretAccessKey>${key}</SecretAccessKey><SessionToken>${session}</SessionToken>`;
      const credentials = `<Credentials>${keys}<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>`;
      const result = `<AssumeRoleWithWebIdentityResult>${credentials}</AssumeRoleWithWebIdentityResult>`;
      const answer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</AssumeRoleWithWebIdentityResponse>`;
      return { status: 200, headers: { 'content-type': 'text/xml' }, body: answer };
    };
    await sinkOf().write(SECRET, signal);
    expect(current()).toBe(SECRET);
    expect(Object.fromEntries(forms[0] ?? [])).toMatchObject({
      Action: 'AssumeRoleWithWebIdentity',
      WebIdentityToken: 'the-jwt-of-the-job',
    });
  });

  test('keeps its other keys, also those that somebody writes meanwhile', async () => {
    const sink = sinkOf('aws:ci/agent#token');
    const text = '{"user": "ci", "token": "old", "__proto__": {"a": 1}, "nested": {"deep": [1, null]}}';
    aws.secrets.set('ci/agent', awsSecretOf({ text }));
    let left = 2;
    aws.interfere = (action) => {
      if (action !== 'UpdateSecretVersionStage' || left-- <= 0) return;
      const secret = aws.secrets.get('ci/agent');
      secret?.versions.set(`another-${left}`, { text: `{"user":"${left}","token":"x"}`, stages: new Set() });
      if (secret) label(secret, 'AWSCURRENT', `another-${left}`);
    };
    await sink.write(SECRET, signal);
    expect(current()).toBe(`{"user":"0","token":"${SECRET}"}`);
    expect(await sink.read?.(signal)).toBe(SECRET);
    expect(sink.describe()).toBe('the key token of the secret ci/agent of AWS');
    aws.secrets.set('ci/agent', awsSecretOf({ text }));
    await sink.write(SECRET, signal);
    const kept = JSON.parse(text);
    expect(JSON.parse(current() ?? '')).toEqual({ ...kept, token: SECRET });
    expect(current()).toContain('"__proto__":{"a":1}');
  });

  test('that always changes is given up, and stays as somebody else left it', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: '{}' }));
    let count = 0;
    aws.interfere = (action) => {
      if (action !== 'UpdateSecretVersionStage') return;
      const [secret, id] = [aws.secrets.get('ci/agent'), `another-${count++}`];
      secret?.versions.set(id, { text: `{"n":${count}}`, stages: new Set() });
      if (secret) label(secret, 'AWSCURRENT', id);
    };
    expect(await failure(sinkOf('aws:ci/agent#token').write(SECRET, signal))).toContain('changed by somebody else');
    expect(current()).toBe('{"n":4}');
  });

  test('whose answer to the last step is lost counts as written', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: '{}' }));
    let isLost = false;
    aws.intercept = ({ headers }) => {
      if (headers['x-amz-target'] !== 'secretsmanager.UpdateSecretVersionStage' || isLost) return undefined;
      isLost = true;
      const secret = aws.secrets.get('ci/agent');
      const made = [...(secret?.versions ?? [])].find(([, { stages }]) => stages.has('COUNTERSIGN'))?.[0] ?? '';
      if (secret) label(secret, 'AWSCURRENT', made);
      return awsRefusal('InternalServiceError', 'lost', 500);
    };
    await sinkOf('aws:ci/agent#token').write(SECRET, signal);
    expect(current()).toBe(`{"token":"${SECRET}"}`);
    expect(aws.secrets.get('ci/agent')?.versions.size).toBe(2);
  });

  test.each<[string, string, { text?: string; binary?: string }, string]>([
    ['is binary', 'aws:ci/agent', { binary: Buffer.from(OTHER).toString('base64') }, 'is binary'],
    ['is binary, by key', 'aws:ci/agent#token', { binary: 'e30=' }, 'is binary'],
    ['has several keys, without one', 'aws:ci/agent', { text: '{"token":"x"}' }, 'say which by #KEY'],
    ['has no key', 'aws:ci/agent#token', { text: OTHER }, 'no JSON object'],
    ['is a list', 'aws:ci/agent#0', { text: `["${OTHER}"]` }, 'no JSON object'],
    ['is null', 'aws:ci/agent#token', { text: 'null' }, 'no JSON object'],
  ])('that %s is refused at the first look', async (_what, text, value, why) => {
    aws.secrets.set('ci/agent', awsSecretOf(value));
    expect(await failure(sinkOf(text).read?.(signal))).toContain(why);
    expect(aws.actions).toEqual(['GetSecretValue']);
  });

  test.each(['{"id":12345678901234567890}', '{"n":0.12345678901234567}', '{"n":1e400}'])(
    'with a number that would be changed is not written: %s',
    async (text) => {
      aws.secrets.set('ci/agent', awsSecretOf({ text }));
      expect(await failure(sinkOf('aws:ci/agent#token').write(SECRET, signal))).toContain('more than 15 digits');
      expect(current()).toBe(text);
    },
  );

  test('whose key is not there, or none of its own, holds nothing yet', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: '{"n":123456789012345,"s":"12345678901234567890"}' }));
    for (const key of ['token', 'constructor', '__proto__', 'n']) {
      expect(await sinkOf(`aws:ci/agent#${key}`).read?.(signal)).toBeUndefined();
    }
    await sinkOf('aws:ci/agent#__proto__').write(SECRET, signal);
    expect(await sinkOf('aws:ci/agent#__proto__').read?.(signal)).toBe(SECRET);
  });

  test.each<[string, () => void, string]>([
    ['is not there', () => aws.secrets.clear(), 'make it first'],
    ['has no value', () => aws.secrets.set('ci/agent', { versions: new Map(), isDeleted: false }), 'make it first'],
    [
      'is scheduled for deletion',
      () => aws.secrets.set('ci/agent', { ...awsSecretOf({ text: OTHER }), isDeleted: true }),
      'scheduled for deletion',
    ],
    ['may not be read', () => (aws.allowed = ['PutSecretValue']), 'the permissions that it needs'],
    ['belongs to others', () => vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAANOTHER'), 'the credentials are not valid'],
    ['is asked for with a wrong key', () => vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'x'), 'are not valid, or the clock'],
    ['is asked for without any', () => vi.stubEnv('AWS_ACCESS_KEY_ID', ''), 'no credentials in the environment'],
  ])('that %s is refused at the first look, and says why', async (_what, arrange, why) => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: OTHER }));
    arrange();
    expect(await failure(sinkOf().read?.(signal))).toContain(why);
  });

  test('is asked for again when AWS has too much to do, three times at most', async () => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: OTHER }));
    let left = 1;
    aws.intercept = () => (left-- > 0 ? awsRefusal('ThrottlingException', 'Rate exceeded') : undefined);
    expect(await sinkOf().read?.(signal)).toBe(OTHER);
    expect(aws.asked).toHaveLength(2);
    left = 9;
    expect(await failure(sinkOf().read?.(signal))).toContain('asked too often');
    expect(aws.asked).toHaveLength(5);
  });

  test.each<[string, Told, string]>([
    ['an unknown error', awsRefusal(`No${SECRET}`, `no: ${SECRET} ${AWS_CREDENTIALS[0]}`), 'status 400'],
    ['an error that repeats the value', awsRefusal('AccessDeniedException', SECRET), 'may not do it'],
    ['a redirect', { status: 307, headers: { location: '/elsewhere' }, body: '' }, 'status 307'],
    ['a page of HTML', { status: 200, body: `<html>${SECRET}` }, 'not its own'],
    ['half an answer', { status: 200, body: '{"SecretString":"' }, 'not its own'],
    ['nothing', { status: 200 }, 'no value'],
    ['an answer without an end', { status: 200, body: 'x'.repeat(5_000_000) }, 'without an end'],
  ])('fails at %s, and repeats nothing of it', async (_what, told, why) => {
    aws.secrets.set('ci/agent', awsSecretOf({ text: '{}' }));
    aws.intercept = () => told;
    expect(await failure(sinkOf().read?.(signal))).toContain(why);
    expect(await failure(sinkOf('aws:ci/agent#token').write(SECRET, signal))).toContain(why);
    expect(aws.asked.map(({ url }) => url)).not.toContain('/elsewhere');
    aws.intercept = () => undefined;
    expect(current()).toBe('{}');
  });

  test('is not waited for without an end', async () => {
    const controller = new AbortController();
    aws.intercept = () => {
      controller.abort();
      return undefined;
    };
    expect(await failure(sinkOf().read?.(controller.signal))).toContain('did not answer in time');
  });
});

test.each([
  'aws:#token',
  'aws:a b',
  'aws:ci/agent#',
  'aws:arn:aws:s3:::bucket',
  'aws:arn:aws:secretsmanager:eu.evil.example/:123456789012:secret:x',
  'aws:ci/agent\n',
])('the sink %j is refused', (text) => {
  expect(() => parseSink(text, {})).toThrow(SinkTextError);
});

test.each([
  ['AWS_ENDPOINT_URL', 'http://aws.example', 'AWS_ENDPOINT_URL is plain http'],
  ['AWS_ENDPOINT_URL_SECRETS_MANAGER', 'http://aws.example', 'AWS_ENDPOINT_URL_SECRETS_MANAGER is plain http'],
  ['AWS_ENDPOINT_URL', 'https://a:b@aws.example', 'must not hold a user name'],
])('the address in %s that others could read is refused: %s', (name, value, why) => {
  expect(() => parseSink('aws:ci/agent', { [name]: value })).toThrow(why);
});

test('an address of the configuration of AWS that others could read is not asked', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL', 'http://192.0.2.1');
  expect(await failure(parseSink('aws:ci/agent', {}).read?.(signal))).toContain('use https');
});
