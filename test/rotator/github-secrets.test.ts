import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { environmentSecret, organisationSecret, repositorySecret } from '../../src/rotator/github-secrets.js';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { SinkError, SinkTextError } from '../../src/rotator/sink.js';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { type FakeGitHub, GITHUB_CREDENTIAL, openFakeGitHub } from './fake-github.js';
import type { Asked, Told } from './loopback-forge.js';

const REPOSITORY = '/repos/acme/api/actions/secrets';
const ENVIRONMENT = '/repos/acme/api/environments/prod%2Feu%20west/secrets';
const ORGANISATION = '/orgs/acme/actions/secrets';

let github: FakeGitHub;
let waits: number[];
let secret: string;

beforeAll(async () => {
  github = await openFakeGitHub();
});

beforeEach(() => {
  github.secrets.clear();
  github.asked.length = 0;
  github.intercept = () => undefined;
  waits = [];
  secret = printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
});

afterAll(async () => {
  await github.close();
});

const never = new AbortController().signal;
const pause = async (ms: number) => {
  waits.push(ms);
};
const env = (given: Record<string, string> = {}) => ({
  GH_TOKEN: GITHUB_CREDENTIAL,
  GITHUB_API_URL: github.url,
  ...given,
});
const repository = () =>
  repositorySecret('acme/api/COUNTERSIGN_TOKEN', 'github:acme/api/COUNTERSIGN_TOKEN', env(), pause);
const organisation = () => organisationSecret('acme/AGENT', 'github-org:acme/AGENT', env(), pause);
const stored = (path: string) => github.secrets.get(path)?.value;
const sent = () => github.asked.map(({ method, url }) => `${method} ${url}`);

/** Answers some requests otherwise: the first `times` of those of a method whose path ends so. */
function instead(method: string, end: string, told: Told | ((asked: Asked) => Told), times = Number.POSITIVE_INFINITY) {
  let left = times;
  github.intercept = (asked) => {
    if (asked.method !== method || !asked.url.split('?')[0]?.endsWith(end) || left <= 0) return undefined;
    left -= 1;
    return typeof told === 'function' ? told(asked) : told;
  };
}

async function failure(write: Promise<void>): Promise<string> {
  const error = await write.then(
    () => new Error('it was written'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SinkError);
  const text = `${error instanceof Error ? `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}` : ''}`;
  expect(text).not.toContain(secret);
  expect(text).not.toContain(GITHUB_CREDENTIAL);
  return error instanceof Error ? error.message : '';
}

describe('a secret of GitHub Actions', () => {
  test('of a repository is sealed for its key, stored and seen to have changed', async () => {
    github.seed(`${REPOSITORY}/COUNTERSIGN_TOKEN`);
    await repository().write(secret, never);
    expect(stored(`${REPOSITORY}/COUNTERSIGN_TOKEN`)).toBe(secret);
    expect(sent()).toEqual([
      `GET ${REPOSITORY}/COUNTERSIGN_TOKEN`,
      `GET ${REPOSITORY}/public-key`,
      `PUT ${REPOSITORY}/COUNTERSIGN_TOKEN`,
      `GET ${REPOSITORY}/COUNTERSIGN_TOKEN`,
    ]);
    expect(repository().read).toBeUndefined();
    expect(waits).toEqual([]);
  });

  test('that is not there yet is made, of a repository and of an environment whose name has to be encoded', async () => {
    await repository().write(secret, never);
    expect(stored(`${REPOSITORY}/COUNTERSIGN_TOKEN`)).toBe(secret);
    const sink = environmentSecret('acme/api/prod/eu west/AGENT', 'github-env:…', env(), pause);
    await sink.write(secret, never);
    expect(stored(`${ENVIRONMENT}/AGENT`)).toBe(secret);
    expect(sink.describe()).toBe('the secret AGENT of the environment prod/eu west of acme/api on GitHub');
  });

  test('never leaves in clear: not in a body, a header or an address', async () => {
    github.seed(`${ORGANISATION}/AGENT`, { visibility: 'private' });
    await repository().write(secret, never);
    await organisation().write(secret, never);
    const all = JSON.stringify(github.asked);
    for (const form of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
      expect(all).not.toContain(form);
    }
    expect(github.asked.map(({ url }) => url).join()).not.toContain(GITHUB_CREDENTIAL);
  });

  test('of an organisation keeps who may read it', async () => {
    const repositories = Array.from({ length: 230 }, (_, index) => index + 1000);
    for (const audience of [
      { visibility: 'all' as const },
      { visibility: 'private' as const },
      { visibility: 'selected' as const, repositories: [7] },
      { visibility: 'selected' as const, repositories: [] },
      { visibility: 'selected' as const, repositories },
    ]) {
      github.seed(`${ORGANISATION}/AGENT`, audience);
      await organisation().write(secret, never);
      expect(github.secrets.get(`${ORGANISATION}/AGENT`)).toMatchObject({ value: secret, ...audience });
    }
  });

  test('of an organisation is not made: who may read it is not known', async () => {
    expect(await failure(organisation().write(secret, never))).toContain('make it first');
    expect(github.asked.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('is not written when the list of repositories that may read it cannot be read whole', async () => {
    github.seed(`${ORGANISATION}/AGENT`, { visibility: 'selected', repositories: [1, 2] });
    for (const body of [
      { total_count: 3, repositories: [] },
      { total_count: 1, repositories: [{ id: 'x' }] },
      { repositories: [] },
      [],
    ]) {
      instead('GET', '/repositories', { status: 200, body });
      expect(await failure(organisation().write(secret, never))).toMatch(/repositories/);
    }
    instead('GET', '/repositories', { status: 403, body: { message: 'Resource not accessible' } });
    await failure(organisation().write(secret, never));
    expect(stored(`${ORGANISATION}/AGENT`)).toBe('the old one');
  });

  test('is sealed anew, once, when the key was replaced between the two calls', async () => {
    for (const status of [422, 409]) {
      github.seed(`${REPOSITORY}/COUNTERSIGN_TOKEN`);
      instead(
        'PUT',
        'COUNTERSIGN_TOKEN',
        () => {
          github.rotateKey();
          return { status, body: { message: 'the key is another' } };
        },
        1,
      );
      await repository().write(secret, never);
      expect(stored(`${REPOSITORY}/COUNTERSIGN_TOKEN`)).toBe(secret);
    }
    github.asked.length = 0;
    instead('PUT', 'COUNTERSIGN_TOKEN', () => {
      github.rotateKey();
      return { status: 422 };
    });
    expect(await failure(repository().write(secret, never))).toContain('422');
    expect(sent().filter((one) => one.startsWith('PUT'))).toHaveLength(2);
  });

  test('that is refused with the same key in place is not sent again', async () => {
    instead('PUT', 'COUNTERSIGN_TOKEN', { status: 422, body: { message: 'Secret names must not start with GITHUB_' } });
    expect(await failure(repository().write(secret, never))).toContain('GitHub refused it (422)');
    expect(sent().filter((one) => one.startsWith('PUT'))).toHaveLength(1);
  });

  test('of which GitHub does not show that it changed counts as not written', async () => {
    github.seed(`${REPOSITORY}/COUNTERSIGN_TOKEN`);
    instead('PUT', 'COUNTERSIGN_TOKEN', { status: 204 });
    expect(await failure(repository().write(secret, never))).toContain('does not show that it changed');
    expect(waits).toEqual([1000, 1000, 1000, 1000]);
  });

  test('is looked for again when a copy lags behind', async () => {
    let gets = 0;
    instead('GET', 'COUNTERSIGN_TOKEN', () => {
      gets += 1;
      const updated_at = gets < 4 ? '2026-01-01T00:00:00Z' : '2026-01-02T00:00:00Z';
      return { status: 200, body: { name: 'COUNTERSIGN_TOKEN', updated_at } };
    });
    await repository().write(secret, never);
    expect(waits).toEqual([1000, 1000]);
  });

  test.each([
    [401, 'the token in GH_TOKEN or GITHUB_TOKEN is not valid'],
    [403, 'the token may not read and write the secret'],
    [404, 'there is no such place'],
    [500, 'answered with status 500'],
    [503, 'answered with status 503'],
  ])('fails at an answer %i, and says why without what GitHub said', async (status, why) => {
    const body = { message: `no: ${secret} ${GITHUB_CREDENTIAL} \u001b[31m` };
    for (const [method, end] of [
      ['GET', 'public-key'],
      ['PUT', 'COUNTERSIGN_TOKEN'],
    ] as const) {
      instead(method, end, { status, body });
      const text = await failure(repository().write(secret, never));
      expect(text).toContain(why);
      expect(text).not.toContain('no:');
    }
    expect(stored(`${REPOSITORY}/COUNTERSIGN_TOKEN`)).toBeUndefined();
  });

  test('waits for a rate limit as long as GitHub asks, 45 seconds at the most', async () => {
    const spent = { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1000000000' };
    instead('GET', 'public-key', { status: 403, headers: spent }, 1);
    await repository().write(secret, never);
    instead('PUT', 'COUNTERSIGN_TOKEN', { status: 429, headers: { 'retry-after': '17' } }, 2);
    await repository().write(secret, never);
    expect(waits).toEqual([0, 17_000, 17_000]);
    const unsaid = { status: 403, body: { message: 'You have exceeded a secondary rate limit.' } };
    for (const [told, seconds] of [
      [{ status: 403, headers: { 'retry-after': '3600' } }, 3600],
      [unsaid, 60],
      [{ status: 429 }, 60],
    ] as const) {
      instead('PUT', 'COUNTERSIGN_TOKEN', told);
      expect(await failure(repository().write(secret, never))).toContain(`try again in ${seconds} s`);
    }
    github.asked.length = 0;
    instead('PUT', 'COUNTERSIGN_TOKEN', { status: 429, headers: { 'retry-after': '0' } });
    await failure(repository().write(secret, never));
    expect(sent().filter((one) => one.startsWith('PUT'))).toHaveLength(10);
  });

  test('is not waited for any longer than the rotation waits', async () => {
    instead('PUT', 'COUNTERSIGN_TOKEN', { status: 429, headers: { 'retry-after': '100' } });
    const late = new AbortController();
    const sink = repositorySecret('acme/api/COUNTERSIGN_TOKEN', 'github:…', env());
    const asked = github.intercept;
    github.intercept = (one) => {
      const told = asked(one);
      if (told !== undefined) setImmediate(() => late.abort());
      return told;
    };
    await failure(sink.write(secret, late.signal));
    await failure(sink.write(secret, AbortSignal.abort()));
  });

  test('follows no redirect: neither the credential nor the secret goes to another place', async () => {
    const other = await openFakeGitHub();
    try {
      for (const status of [301, 302, 307, 308]) {
        for (const [method, end] of [
          ['GET', 'COUNTERSIGN_TOKEN'],
          ['GET', 'public-key'],
          ['PUT', 'COUNTERSIGN_TOKEN'],
        ] as const) {
          instead(method, end, (asked) => ({ status, headers: { location: `${other.url}${asked.url}` } }));
          expect(await failure(repository().write(secret, never))).toContain(`redirect (${status})`);
        }
      }
      expect(other.asked).toEqual([]);
    } finally {
      await other.close();
    }
  });

  test.each<[string, unknown]>([
    ['a page of HTML', '<!doctype html><title>Sign in</title>'],
    ['nothing', undefined],
    ['an answer without an end', 'x'.repeat(5_000_000)],
    ['a key that is too short', { key_id: '1', key: Buffer.alloc(31, 7).toString('base64') }],
    ['a key that is too long', { key_id: '1', key: Buffer.alloc(33, 7).toString('base64') }],
    ['a key that is no base64', { key_id: '1', key: `*${Buffer.alloc(32, 9).toString('base64')}` }],
    ['a key of zeros', { key_id: '1', key: Buffer.alloc(32).toString('base64') }],
    ['a key of order one', { key_id: '1', key: Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64') }],
    [
      'a key of order eight',
      {
        key_id: '1',
        key: Buffer.from('e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800', 'hex').toString('base64'),
      },
    ],
    ['a key without a name', { key: Buffer.alloc(32, 9).toString('base64') }],
    ['a list', []],
  ])('is sent to nobody when the key is %s', async (_what, body) => {
    instead('GET', 'public-key', { status: 200, body });
    await failure(repository().write(secret, never));
    expect(sent().some((one) => one.startsWith('PUT'))).toBe(false);
  });

  test.each<[string, unknown]>([
    ['a page of HTML', '<!doctype html>'],
    ['of another secret', { name: 'ANOTHER', updated_at: '2026-01-01T00:00:00Z' }],
    ['without a time', { name: 'COUNTERSIGN_TOKEN' }],
  ])('is not written when what GitHub tells of it is %s', async (_what, body) => {
    instead('GET', 'COUNTERSIGN_TOKEN', { status: 200, body });
    await failure(repository().write(secret, never));
    expect(sent().some((one) => one.startsWith('PUT'))).toBe(false);
  });

  test('is not written when nobody is there', async () => {
    const gone = await openFakeGitHub();
    await gone.close();
    const sink = repositorySecret('acme/api/T', 'github:acme/api/T', env({ GITHUB_API_URL: gone.url }), pause);
    expect(await failure(sink.write(secret, never))).toContain('ECONNREFUSED');
  });

  test('is named by its text, and described without a secret', () => {
    const described = ['github:acme/api/T', 'github-env:acme/api/rotation/T', 'github-org:acme/T'].map((text) => {
      const sink = parseSink(text, env());
      return [sink.name, sink.describe()];
    });
    expect(described).toEqual([
      ['github:acme/api/T', 'the secret T of the repository acme/api on GitHub'],
      ['github-env:acme/api/rotation/T', 'the secret T of the environment rotation of acme/api on GitHub'],
      ['github-org:acme/T', 'the secret T of the organisation acme on GitHub'],
    ]);
  });

  test('is refused where a part of its text leads elsewhere', () => {
    for (const rest of [
      '',
      'acme/T',
      'acme/api/x/T',
      'acme/../T',
      'acme/./T',
      'a b/api/T',
      'acme/api/T?x',
      'acme/api/public-key',
    ]) {
      expect(() => repositorySecret(rest, rest, env()), rest).toThrow(SinkTextError);
    }
    for (const rest of [
      'acme/api/T',
      'acme/api/../T',
      'acme/api/./T',
      'acme/api//T',
      'acme/api/a\nb/T',
      `acme/api/${'e'.repeat(256)}/T`,
    ]) {
      expect(() => environmentSecret(rest, rest, env()), rest).toThrow(SinkTextError);
    }
    for (const rest of ['T', '../T', 'acme/api/T', 'acme/1T', '/T']) {
      expect(() => organisationSecret(rest, rest, env()), rest).toThrow(SinkTextError);
    }
  });

  test('needs a credential that a header can carry, and an address that nobody listens in on', () => {
    const make = (given: Record<string, string>) => () =>
      repositorySecret('acme/api/T', 'github:acme/api/T', { GITHUB_API_URL: github.url, ...given });
    expect(make({})).toThrow('GH_TOKEN or GITHUB_TOKEN is not set');
    expect(make({ GH_TOKEN: '' })).toThrow(SinkTextError);
    expect(make({ GH_TOKEN: 'a\nb: c' })).toThrow('holds what no header can carry');
    expect(make({ GH_TOKEN: '', GITHUB_TOKEN: 'ghs_x' })).not.toThrow();
    for (const url of [
      'http://ghe.example/api/v3',
      'ftp://ghe.example',
      'https://user:pass@ghe.example',
      'https://ghe.example?x',
    ]) {
      expect(make({ GH_TOKEN: 'x', GITHUB_API_URL: url }), url).toThrow(SinkTextError);
    }
    expect(make({ GH_TOKEN: 'x', GITHUB_API_URL: 'https://ghe.example/api/v3/' })).not.toThrow();
  });
});
