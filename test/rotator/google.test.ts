import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { crc32c } from '../../src/rotator/crc32c.js';
import { googleSecret } from '../../src/rotator/google-secret.js';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { placeSecret, readSinks } from '../../src/rotator/placement.js';
import { SinkError, SinkTextError } from '../../src/rotator/sink.js';
import { removeTemporaryDirectories } from '../cli/command-line.js';
import { type FakeGoogle, GOOGLE_CREDENTIALS, googleRefusal, googleVersion, openFakeGoogle } from './fake-google.js';
import type { Told } from './loopback-forge.js';

const SECRET = `cst_${'1'.repeat(22)}_${'2'.repeat(49)}`;
const OTHER = `cst_${'3'.repeat(22)}_${'4'.repeat(49)}`;
const { signal } = new AbortController();

let google: FakeGoogle;
let waits: number[];

beforeAll(async () => {
  google = await openFakeGoogle();
});

beforeEach(() => {
  vi.unstubAllEnvs();
  for (const [name, value] of Object.entries(google.env)) vi.stubEnv(name, value);
  google.secrets.clear();
  google.asked.length = 0;
  google.lag = 0;
  google.interfere = undefined;
  google.intercept = () => undefined;
  waits = [];
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await google.close();
  removeTemporaryDirectories();
});

const pause = async (ms: number) => {
  waits.push(ms);
};
const sinkOf = (rest = 'acme-ci/agent', env = {}) =>
  googleSecret(rest, `google:${rest}`, { ...google.env, ...env }, pause);
const texts = () => google.secrets.get('agent')?.map(({ data }) => data.toString());
const has = (...versions: readonly string[]) =>
  google.secrets.set(
    'agent',
    versions.map((text) => googleVersion(text)),
  );
const api = () => google.asked.filter(({ url }) => url !== '/token');

async function failure(done: Promise<unknown> | undefined): Promise<string> {
  const error = await Promise.resolve(done).then(
    () => new Error('it was done'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SinkError);
  if (!(error instanceof Error)) return '';
  const text = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
  for (const secret of [SECRET, OTHER, ...GOOGLE_CREDENTIALS]) {
    expect(text).not.toContain(secret);
    expect(text).not.toContain(Buffer.from(secret).toString('base64').slice(0, 20));
  }
  return error.message;
}

test('the checksum is the one of RFC 3720', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

describe('a secret of Google Secret Manager', () => {
  test('gets another version, which is read back by its number and as the latest', async () => {
    has(`${OTHER}\n`);
    const outcomes = await placeSecret(SECRET, await readSinks([sinkOf()]));
    expect(outcomes).toEqual([{ sink: 'google:acme-ci/agent', state: 'written' }]);
    expect(texts()).toEqual([`${OTHER}\n`, SECRET]);
    const path = '/v1/projects/acme-ci/secrets/agent';
    expect(api().map(({ method, url }) => `${method} ${url.split('?')[0]}`)).toEqual([
      `GET ${path}/versions/latest:access`,
      `POST ${path}:addVersion`,
      `GET ${path}/versions/2:access`,
      `GET ${path}/versions/latest:access`,
      `GET ${path}/versions/latest:access`,
    ]);
    expect(sinkOf().describe()).toBe('the secret acme-ci/agent of Google');
    const outside = google.asked.map(({ url, headers }) => url + JSON.stringify(headers)).join();
    expect(outside).not.toContain('cst_');
    expect(google.asked.map(({ url }) => url).join()).not.toContain(GOOGLE_CREDENTIALS[0]);
  });

  test('is found by its whole name, and written whole where all its text is the token', async () => {
    has(OTHER);
    const sink = parseSink('google:projects/acme-ci/secrets/agent', google.env);
    await sink.write(SECRET, signal);
    expect(await sink.read?.(signal)).toBe(SECRET);
  });

  test('keeps its other keys, also those that somebody writes meanwhile', async () => {
    has('{"user": "ci", "__proto__": 1}');
    let left = 2;
    google.interfere = () => {
      if (left-- > 0) google.secrets.get('agent')?.push(googleVersion(`{"user":"${left}","token":"x"}`));
    };
    const sink = sinkOf('acme-ci/agent#token');
    await sink.write(SECRET, signal);
    expect(texts()?.at(-1)).toBe(`{"user":"0","token":"${SECRET}"}`);
    expect(await sink.read?.(signal)).toBe(SECRET);
    expect(sink.describe()).toBe('the key token of the secret acme-ci/agent of Google');
  });

  test('that always changes is given up', async () => {
    has('{}');
    google.interfere = () => google.secrets.get('agent')?.push(googleVersion('{"user":"another"}'));
    expect(await failure(sinkOf('acme-ci/agent#token').write(SECRET, signal))).toContain('changed by somebody else');
  });

  test('counts as written when it is the latest version, for which it is looked ten times', async () => {
    has(OTHER);
    google.lag = 3;
    await sinkOf().write(SECRET, signal);
    expect(waits).toEqual([1000, 1000, 1000]);
    google.lag = 99;
    expect(await failure(sinkOf().write(SECRET, signal))).toContain('not the latest version yet');
    expect(waits).toHaveLength(12);
  });

  test('is known to be another when a late `latest` was read for its other keys', async () => {
    has('{"user":"before"}', '{"user":"now"}');
    google.lag = 1;
    await sinkOf('acme-ci/agent#token').write(SECRET, signal);
    expect(texts()?.at(-1)).toBe(`{"user":"now","token":"${SECRET}"}`);
  });

  test.each<[string, string, () => void, string]>([
    [
      'is binary',
      '',
      () => google.secrets.set('agent', [googleVersion('', { data: Buffer.from([255]) })]),
      'is binary',
    ],
    ['has several keys, without one', '', () => has('{"token":"x"}'), 'say which by #KEY'],
    ['has no key', '#token', () => has(OTHER), 'no JSON object'],
    ['is not there', '', () => google.secrets.clear(), 'make it first'],
    ['has no version', '', () => has(), 'make it first'],
    [
      'is disabled',
      '',
      () => google.secrets.set('agent', [googleVersion(OTHER, { state: 'DISABLED' })]),
      'its latest version is disabled',
    ],
    ['came damaged', '', () => google.secrets.set('agent', [googleVersion(OTHER, { crc: '1' })]), 'damaged on its way'],
    [
      'is asked for without credentials',
      '',
      () => vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/no/such/file'),
      'no application default credentials',
    ],
  ])('that %s is refused at the first look', async (_what, key, arrange, why) => {
    has(OTHER);
    arrange();
    expect(await failure(sinkOf(`acme-ci/agent${key}`).read?.(signal))).toContain(why);
  });

  test('of another project is refused', async () => {
    expect(await failure(sinkOf('acme-other/agent').read?.(signal))).toContain('the permissions that it needs');
  });

  test.each<[string, Told, string]>([
    ['an error that repeats the value', googleRefusal(403, 'PERMISSION_DENIED', SECRET), 'may not do it'],
    ['credentials that ended', googleRefusal(401, 'UNAUTHENTICATED'), 'the credentials are not valid'],
    ['a rate limit', googleRefusal(429, 'RESOURCE_EXHAUSTED'), 'asked too often'],
    ['a failure', { status: 500, body: SECRET }, 'status 500'],
    ['a redirect', { status: 307, headers: { location: '/elsewhere' }, body: '{}' }, 'status 307'],
    ['a page of HTML', { status: 200, body: `<html>${SECRET}` }, 'not its own'],
    ['half an answer', { status: 200, body: '{"payload":{"data":"' }, 'not its own'],
    [
      'another secret',
      { status: 200, body: { name: 'projects/1/secrets/x/versions/1', payload: { data: '', dataCrc32c: '0' } } },
      'another secret',
    ],
    ['an answer without a checksum', { status: 200, body: { payload: { data: 'eA==' } } }, 'damaged'],
    ['an answer without an end', { status: 200, body: 'x'.repeat(5_000_000) }, 'without an end'],
  ])('fails at %s, and repeats nothing of it', async (_what, told, why) => {
    has('{}');
    google.intercept = ({ url }) => (url === '/token' ? undefined : told);
    expect(await failure(sinkOf().read?.(signal))).toContain(why);
    expect(await failure(sinkOf('acme-ci/agent#token').write(SECRET, signal))).toContain(why);
    expect(google.asked.map(({ url }) => url)).not.toContain('/elsewhere');
    expect(texts()).toEqual(['{}']);
  });

  test('that is stored otherwise than it was sent is no success', async () => {
    has(OTHER);
    google.intercept = ({ method, url }) => {
      if (method === 'POST' && url !== '/token') google.secrets.get('agent')?.push(googleVersion('another'));
      return method === 'POST' && url !== '/token'
        ? { status: 200, body: { name: 'projects/4711/secrets/agent/versions/2' } }
        : undefined;
    };
    expect(await failure(sinkOf().write(SECRET, signal))).toContain('something else than what was written');
  });

  test('is not waited for without an end, nor are its credentials', async () => {
    for (const at of ['/token', ':access']) {
      const controller = new AbortController();
      google.intercept = ({ url }) => {
        if (url.includes(at)) controller.abort();
        return undefined;
      };
      has(OTHER);
      expect(await failure(sinkOf().read?.(controller.signal))).toContain('did not answer in time');
    }
  });
});

test.each([
  'google:agent',
  'google:acme-ci/agent#',
  'google:acme-ci/../agent',
  'google:acme-ci/a.b',
  'google:projects/acme-ci/agent',
  'google:projects/acme-ci/secrets/agent/versions/1',
  'google:ACME/agent',
])('the sink %j is refused', (text) => {
  expect(() => parseSink(text, {})).toThrow(SinkTextError);
});

test.each([
  ['CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER', 'http://google.example/', 'is plain http to another machine'],
  ['CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER', 'https://google.example/v1', 'must not hold a path'],
  ['GOOGLE_SDK_NODE_LOGGING', 'all', 'GOOGLE_SDK_NODE_LOGGING would have secrets logged'],
])('an environment in which others could read the secret is refused: %s=%s', (name, value, why) => {
  expect(() => parseSink('google:acme-ci/agent', { [name]: value })).toThrow(why);
});
