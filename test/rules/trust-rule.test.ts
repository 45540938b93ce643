import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Constraints, constraintFaults, withinConstraints } from '../../src/rules/constraint.js';
import { timeFault, tooOldFrom } from '../../src/rules/foreign-token.js';
import { checkClaims, claimText, narrows } from '../../src/rules/trust-claims.js';
import { narrowToPlace } from '../../src/rules/trust-place.js';
import { jobName, recordedClaims } from '../../src/rules/trust-record.js';
import { keyAlgorithms } from '../../src/rules/verify-key.js';
import { anyGlob, anyPath } from '../setup/arbitraries.js';
import { BUILDKITE_BUILD, GITHUB_PUSH, GITLAB_DEPLOY, KUBERNETES_POD } from '../setup/trust.js';

const list = fc.option(fc.array(anyGlob, { minLength: 1, maxLength: 3 }), { nil: undefined });
const anyPlaces: fc.Arbitrary<Constraints> = fc.record({ repositories: list, refs: list, environments: list });
const anyClaim = fc.oneof(anyPath, fc.constant(undefined), fc.integer(), fc.constant(''), fc.constant(['a/b']));
const anyPlaceClaims = fc.record({ repository: anyClaim, ref: anyClaim, environment: anyClaim });

describe('the place that a token is narrowed to', () => {
  it('is never wider than the constraints, and lets the proven place through', () => {
    fc.assert(
      fc.property(anyPlaces, anyPlaceClaims, (constraints, claims) => {
        const narrowed = narrowToPlace(constraints, 'github_actions', claims);
        if (narrowed === undefined) return;
        expect(withinConstraints(narrowed, constraints)).toBe(true);
        const context = {
          repository: claimText(claims, 'repository'),
          ref: claimText(claims, 'ref'),
          environment: claimText(claims, 'environment'),
        };
        expect(constraintFaults(narrowed, context).filter(({ isMissing }) => !isMissing)).toEqual([]);
      }),
    );
  });

  it('is the same of claims that prove nothing', () => {
    const constraints = { repositories: ['octo/*'] };
    expect(narrowToPlace(constraints, undefined, GITHUB_PUSH)).toEqual(constraints);
    expect(narrowToPlace(constraints, 'buildkite', BUILDKITE_BUILD)).toEqual(constraints);
    expect(narrowToPlace(constraints, 'kubernetes', KUBERNETES_POD)).toEqual(constraints);
  });

  it('has no pattern that a claim could bring along', () => {
    expect(narrowToPlace({}, 'github_actions', { repository: '*/*', ref: '**' })).toEqual({});
  });
});

describe('a claim', () => {
  it('is a text, a number or a truth value; one further down by a path, unless one has the whole name', () => {
    expect(claimText({ a: 'b' }, 'a')).toBe('b');
    expect(claimText({ a: 7, b: false }, 'a')).toBe('7');
    expect(claimText({ b: false }, 'b')).toBe('false');
    expect(claimText(KUBERNETES_POD, 'kubernetes.io/pod/name')).toBe('agent-x7k2p');
    expect(claimText({ a: { b: 'below' }, 'a/b': 'whole' }, 'a/b')).toBe('whole');
  });

  it.each<[unknown, string]>([
    [{ a: ['b'] }, 'a'],
    [{ a: ['b'] }, 'a/0'],
    [{ a: { b: 'c' } }, 'a'],
    [{ a: null }, 'a'],
    [{ a: 1.5 }, 'a'],
    [{ a: 2 ** 60 }, 'a'],
    [{ a: '' }, 'a'],
    [{}, 'toString'],
    [{}, '__proto__'],
    [{ a: {} }, 'a/constructor/name'],
    [{ a: 'text' }, 'a/length'],
  ])('of %j is nothing under %s', (claims, name) => {
    expect(claimText(claims as Record<string, unknown>, name)).toBeUndefined();
  });

  it('is compared exactly, unless it names a branch or a tag', () => {
    const matches = (claim: string, value: string, found: string) =>
      checkClaims({ [claim]: [value] }, { [claim]: found })[0]?.isMatch;
    expect(matches('ref', 'refs/heads/*', 'refs/heads/main')).toBe(true);
    expect(matches('ref', 'refs/heads/main', 'refs/heads/Main')).toBe(false);
    expect(matches('sub', 'repo:octo/*', 'repo:octo/shop')).toBe(false);
    expect(matches('sub', 'repo:octo/*', 'repo:octo/*')).toBe(true);
    expect(matches('repository_id', '74', '74 ')).toBe(false);
  });

  it('narrows nothing with a pattern that begins anywhere', () => {
    expect(['*', '**', 'refs/*', 'refs/**', 'refs*', '*/main'].filter(narrows)).toEqual([]);
    expect(['main', 'refs/heads/*', 'release-*'].filter((value) => !narrows(value))).toEqual([]);
  });
});

describe('what is put on record', () => {
  it('is bounded, and holds nothing that a database or a terminal cannot', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        const claims = { sub: text, repository: text, run_id: text };
        for (const value of [...Object.values(recordedClaims({ sub: [] }, claims)), jobName('rule', claims)]) {
          expect(value.length).toBeLessThanOrEqual(256);
          expect(value.isWellFormed()).toBe(true);
          expect(value).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
        }
      }),
    );
  });

  it('names a job by what it works on and its run, and by its rule where it says neither', () => {
    const names = [GITHUB_PUSH, GITLAB_DEPLOY, BUILDKITE_BUILD, KUBERNETES_POD, { sub: 'a' }, {}];
    expect(names.map((claims) => jobName('rule', claims))).toEqual([
      'octo/shop 1658821493',
      'my-group/my-project 302',
      'super-app 1',
      'agent agent-x7k2p',
      'a',
      'rule',
    ]);
  });
});

describe('the times of a platform’s token', () => {
  const at = (seconds: number) => new Date(seconds * 1000);

  it('are such that a token is refused for its age from the moment on when nobody remembers it', () => {
    const seconds = fc.integer({ min: 0, max: 20_000 });
    fc.assert(
      fc.property(seconds, seconds, seconds, (iat, exp, now) => {
        const forgottenAt = tooOldFrom({ iat, exp });
        if (at(now) >= forgottenAt) expect(timeFault({ iat, exp }, at(now))).toBeDefined();
      }),
    );
  });

  it.each([
    { exp: 1e12, iat: 1 },
    { exp: Number.NaN, iat: 1 },
    { exp: -1, iat: 1 },
    { exp: 2, iat: 1, nbf: 'x' },
    { exp: 2 },
  ])('are refused: %j', (claims) => {
    expect(timeFault(claims, at(1))).toBeDefined();
  });
});

describe('a key', () => {
  const EC = { kty: 'EC', kid: 'a', crv: 'P-256', x: 'AA', y: 'AA' };
  const RSA = { kty: 'RSA', kid: 'a', n: 'A'.repeat(342), e: 'AQAB' };

  it('verifies what its type and what it says of itself allow', () => {
    expect(keyAlgorithms(EC)).toEqual(['ES256']);
    expect(keyAlgorithms({ ...EC, crv: 'P-384' })).toEqual(['ES384']);
    expect(keyAlgorithms({ ...EC, crv: 'secp256k1' })).toEqual([]);
    expect(keyAlgorithms(RSA)).toHaveLength(6);
    expect(keyAlgorithms({ ...RSA, alg: 'PS256', use: 'sig', key_ops: ['verify'] })).toEqual(['PS256']);
    expect(keyAlgorithms({ ...RSA, alg: 'ES256' })).toEqual([]);
    expect(keyAlgorithms({ ...RSA, alg: 'HS256' })).toEqual([]);
    expect(keyAlgorithms({ kty: 'OKP', kid: 'a', crv: 'Ed25519', x: 'AA', alg: 'EdDSA' })).toEqual([
      'EdDSA',
      'Ed25519',
    ]);
    expect(keyAlgorithms({ kty: 'OKP', kid: 'a', crv: 'X25519', x: 'AA' })).toEqual([]);
  });
});
