import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { groupVariable, projectVariable } from '../../src/rotator/gitlab-variables.js';
import { placeSecret, readSinks } from '../../src/rotator/placement.js';
import { HIDDEN, SinkError, SinkTextError } from '../../src/rotator/sink.js';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { type FakeGitLab, GITLAB_CREDENTIAL, openFakeGitLab, variable } from './fake-gitlab.js';
import type { Told } from './loopback-forge.js';

const PATH = '/projects/acme%2Fteam%2Fapi/variables/AGENT';

let gitlab: FakeGitLab;
let waits: number[];
let secret: string;

beforeAll(async () => {
  gitlab = await openFakeGitLab();
});

beforeEach(() => {
  gitlab.variables = [];
  gitlab.groupVariables = [];
  gitlab.asked.length = 0;
  gitlab.intercept = () => undefined;
  waits = [];
  secret = printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
});

afterAll(async () => {
  await gitlab.close();
});

const never = new AbortController().signal;
const pause = async (ms: number) => {
  waits.push(ms);
};
const env = (given: Record<string, string> = {}) => ({
  GITLAB_TOKEN: GITLAB_CREDENTIAL,
  CI_API_V4_URL: gitlab.url,
  ...given,
});
const sinkOf = (rest = 'acme/team/api/AGENT') => projectVariable(rest, `gitlab:${rest}`, env(), pause);
const sent = () => gitlab.asked.map(({ method, url }) => `${method} ${url}`);

/** Answers the requests of a method otherwise, `times` of them. */
function instead(method: string, told: Told, times = Number.POSITIVE_INFINITY) {
  let left = times;
  gitlab.intercept = (asked) => {
    if (asked.method !== method || left <= 0) return undefined;
    left -= 1;
    return told;
  };
}

async function failure(done: Promise<unknown>): Promise<string> {
  const error = await done.then(
    () => new Error('it was done'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SinkError);
  if (!(error instanceof Error)) return '';
  const text = `${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`;
  expect(text).not.toContain(secret);
  expect(text).not.toContain(GITLAB_CREDENTIAL);
  return error.message;
}

describe('a CI/CD variable of GitLab', () => {
  test('gets another value, and is otherwise as it was', async () => {
    const before = variable('AGENT', { masked: true, protected: true, raw: true, description: 'of the agent' });
    gitlab.variables = [variable('ANOTHER'), before];
    await sinkOf().write(secret, never);
    expect(gitlab.variables).toEqual([variable('ANOTHER'), { ...before, value: secret }]);
    expect(sent()).toEqual([`PUT ${PATH}`]);
    expect(await sinkOf().read?.(never)).toBe(secret);
    expect(sinkOf().describe()).toBe('the variable AGENT of the project acme/team/api on GitLab');
  });

  test('is made, masked and protected, when it is not there', async () => {
    expect(await sinkOf().read?.(never)).toBeUndefined();
    await sinkOf().write(secret, never);
    expect(gitlab.variables).toEqual([variable('AGENT', { value: secret, masked: true, protected: true })]);
    await sinkOf('acme/team/api/AGENT?environment=review/*').write(`${secret}`, never);
    expect(gitlab.variables[1]).toMatchObject({ environment_scope: 'review/*', masked: true, protected: true });
  });

  test('of one scope of environments leaves those of the others alone', async () => {
    gitlab.variables = [
      variable('AGENT', { environment_scope: 'production' }),
      variable('AGENT', { environment_scope: 'review/*', masked: true }),
    ];
    const sink = sinkOf('acme/team/api/AGENT?environment=review/*');
    await sink.write(secret, never);
    expect(gitlab.variables).toEqual([
      variable('AGENT', { environment_scope: 'production' }),
      variable('AGENT', { environment_scope: 'review/*', masked: true, value: secret }),
    ]);
    expect(await sink.read?.(never)).toBe(secret);
    expect(sink.describe()).toBe('the variable AGENT for review/* of the project acme/team/api on GitLab');
    expect(await failure(sinkOf().write(secret, never))).toContain('say which by ?environment=SCOPE');
    expect(await failure(sinkOf().read?.(never) ?? Promise.resolve())).toContain('409');
  });

  test('that is hidden is written as what nobody reads: after those that can be read, and not looked at again', async () => {
    gitlab.variables = [variable('AGENT', { masked: true, hidden: true }), variable('SHOWN')];
    expect(await sinkOf().read?.(never)).toBe(HIDDEN);
    const seen = await readSinks([sinkOf(), sinkOf('acme/team/api/SHOWN')]);
    expect(seen.map(({ sink, isReadable, value }) => [sink.name, isReadable, value])).toEqual([
      ['gitlab:acme/team/api/SHOWN', true, 'the-old-one'],
      ['gitlab:acme/team/api/AGENT', false, undefined],
    ]);
    const outcomes = await placeSecret(secret, seen);
    expect(outcomes.map(({ state }) => state)).toEqual(['written', 'written']);
    expect(gitlab.variables).toEqual([
      variable('AGENT', { masked: true, hidden: true, value: secret }),
      variable('SHOWN', { value: secret }),
    ]);
  });

  test('that is not hidden and shows no value is neither read nor counted as hidden', async () => {
    instead('GET', { status: 200, body: { ...variable('AGENT'), value: null } });
    expect(await failure(sinkOf().read?.(never) ?? Promise.resolve())).toContain('does not show the value');
  });

  test('of a group is written and read by its full path, of one scope of environments too', async () => {
    const before = [variable('AGENT', { masked: true }), variable('AGENT', { environment_scope: 'production' })];
    gitlab.groupVariables = [...before];
    gitlab.variables = [variable('AGENT')];
    const of = (rest: string) => groupVariable(rest, `gitlab-group:${rest}`, env(), pause);
    const sink = of('acme/team/AGENT?environment=production');
    await sink.write(secret, never);
    expect(await sink.read?.(never)).toBe(secret);
    expect(gitlab.groupVariables).toEqual([
      before[0],
      variable('AGENT', { environment_scope: 'production', value: secret }),
    ]);
    await of('acme/team/NEW').write(secret, never);
    expect(gitlab.groupVariables[2]).toEqual(variable('NEW', { value: secret, masked: true, protected: true }));
    expect(gitlab.variables).toEqual([variable('AGENT')]);
    expect(sink.describe()).toBe('the variable AGENT for production of the group acme/team on GitLab');
    expect(sent()[0]).toBe('PUT /groups/acme%2Fteam/variables/AGENT?filter%5Benvironment_scope%5D=production');
    expect(await failure(of('acme/AGENT').write(secret, never))).toContain('no such project, group or variable');
    for (const rest of ['AGENT', '../AGENT', 'acme/../AGENT', 'acme/A-B', 'acme/AGENT?x=y']) {
      expect(() => of(rest), rest).toThrow(SinkTextError);
    }
  });

  test('takes our tokens masked, and they stand in no address and no header', async () => {
    for (let count = 0; count < 50; count += 1) {
      secret = printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
      await sinkOf().write(secret, never);
      expect(gitlab.variables[0]).toMatchObject({ value: secret, masked: true });
    }
    const outside = gitlab.asked.map(({ url, headers }) => url + JSON.stringify(headers)).join();
    expect(outside).not.toContain('cst_');
    expect(gitlab.asked.map(({ url }) => url).join()).not.toContain(GITLAB_CREDENTIAL);
  });

  test('that does not take the value is not written, and the value is not repeated', async () => {
    gitlab.variables = [variable('AGENT', { masked: true })];
    secret = 'has a space in it';
    expect(await failure(sinkOf().write(secret, never))).toContain('does not take the value');
  });

  test.each([
    [401, 'the token in GITLAB_TOKEN is not valid'],
    [403, 'the token may not read and write the variable'],
    [500, 'answered with status 500'],
    [302, 'redirect (302), which is not followed'],
    [307, 'redirect (307), which is not followed'],
  ])('fails at an answer %i, and says why without what GitLab said', async (status, why) => {
    gitlab.variables = [variable('AGENT')];
    const told = {
      status,
      headers: { location: `${gitlab.url}/elsewhere` },
      body: { message: `no: ${secret} ${GITLAB_CREDENTIAL}` },
    };
    instead('PUT', told);
    expect(await failure(sinkOf().write(secret, never))).toContain(why);
    gitlab.variables = [];
    instead('POST', told);
    expect(await failure(sinkOf().write(secret, never))).toContain(why);
    instead('GET', told);
    expect(await failure(sinkOf().read?.(never) ?? Promise.resolve())).toContain(why);
    expect(gitlab.asked.map(({ url }) => url)).not.toContain('/elsewhere');
  });

  test('of a project that is not there is not made', async () => {
    expect(await failure(sinkOf('acme/other/AGENT').write(secret, never))).toContain(
      'no such project, group or variable',
    );
  });

  test('waits for a rate limit as long as GitLab asks, 45 seconds at the most', async () => {
    gitlab.variables = [variable('AGENT')];
    instead('PUT', { status: 429, headers: { 'retry-after': '9' }, body: 'Retry later' }, 1);
    await sinkOf().write(secret, never);
    instead('PUT', { status: 429, headers: { 'ratelimit-remaining': '0', 'ratelimit-reset': '1000000000' } }, 1);
    await sinkOf().write(secret, never);
    expect(waits).toEqual([9000, 0]);
    instead('PUT', { status: 429, headers: { 'retry-after': '46' } });
    expect(await failure(sinkOf().write(secret, never))).toContain('try again in 46 s');
  });

  test.each<[string, unknown]>([
    ['a page of HTML', '<!doctype html><title>Sign in</title>'],
    ['nothing', undefined],
    ['an answer without an end', 'x'.repeat(5_000_000)],
    ['another variable', variable('ANOTHER')],
    ['a variable of another scope', variable('AGENT', { environment_scope: 'production' })],
    ['a list', [variable('AGENT')]],
  ])('counts neither as written nor as read when the answer is %s', async (_what, body) => {
    const sink = sinkOf('acme/team/api/AGENT?environment=review/*');
    gitlab.intercept = () => ({ status: 200, body });
    await failure(sink.write(secret, never));
    await failure(sink.read?.(never) ?? Promise.resolve());
  });

  test('is refused where a part of its text leads elsewhere', () => {
    for (const rest of [
      '',
      'AGENT',
      '/AGENT',
      '../AGENT',
      'acme/../AGENT',
      'acme//api/AGENT',
      'a b/AGENT',
      'acme/api/A-B',
      'acme/api/AGENT?environment=',
      'acme/api/AGENT?environment=a\nb',
      'acme/api/AGENT?other=x',
      'acme/api/',
    ]) {
      expect(() => sinkOf(rest), rest).toThrow(SinkTextError);
    }
    expect(() => sinkOf('4711/AGENT')).not.toThrow();
  });

  test('needs a credential that a header can carry, and an address that nobody listens in on', () => {
    const make = (given: Record<string, string>) => () => projectVariable('acme/api/AGENT', 'gitlab:…', given);
    expect(make({})).toThrow('GITLAB_TOKEN is not set');
    expect(make({ GITLAB_TOKEN: 'a\nb: c' })).toThrow('holds what no header can carry');
    expect(make({ GITLAB_TOKEN: 'x', GITLAB_API_URL: 'http://gitlab.example/api/v4' })).toThrow(SinkTextError);
    expect(make({ GITLAB_TOKEN: 'x', CI_API_V4_URL: 'https://u:p@gitlab.example/api/v4' })).toThrow(SinkTextError);
    expect(make({ GITLAB_TOKEN: 'x' })).not.toThrow();
  });
});
