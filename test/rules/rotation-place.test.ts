import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { holderKey, isSamePlace, matchesPlace, placeFault, placePatternFault } from '../../src/rules/rotation-place.js';
import { newPlaces, rotationFaults } from '../../src/rules/workflow-rotation.js';

const PLACES = [
  'vault:kv/ci/agent#token',
  'vault:kv/ci/deep/agent#token',
  'kubernetes:ci/agent#token',
  'github:acme/api/AGENT_TOKEN',
  'github-env:acme/api/production eu/AGENT_TOKEN',
  'github-env:acme/api/review/eu/AGENT_TOKEN',
  'github-org:acme/AGENT_TOKEN',
  'gitlab:acme/team/api/AGENT_TOKEN',
  'gitlab:4711/AGENT_TOKEN?environment=review/*',
  'gitlab-group:acme/team/AGENT_TOKEN',
  'aws:ci/agent#token',
  'aws:agent',
  'google:acme-ci/agent#token',
];

describe('a place that a workflow may name', () => {
  test.each(PLACES)('%s', (place) => {
    expect(placeFault(place)).toBeUndefined();
  });

  test.each([
    ['file:/etc/cron.d/x', 'a file or a command'],
    ['exec:sh -c id', 'a file or a command'],
    ['', 'must be one of'],
    ['github:', 'must be one of'],
    ['FILE:/etc/x', 'must be one of'],
    ['constructor:x', 'must be one of'],
    ['https://acme.example/in', 'must be one of'],
    ['github:acme/api', 'github:OWNER/REPO/NAME'],
    ['github:acme/../evil/T', 'github:OWNER/REPO/NAME'],
    ['github:acme/../T', 'github:OWNER/REPO/NAME'],
    ['github:evil@acme/api/T', 'must not hold'],
    ['github:acme%2Fapi/x/T', 'must not hold'],
    ['github:acme/api/T?x=y', 'github:OWNER/REPO/NAME'],
    ['github:acme/api/T#x', 'github:OWNER/REPO/NAME'],
    ['github:acme/api\\x/T', 'must not hold'],
    ['github-env:acme/api/x/../../evil/T', 'as a part of it'],
    ['github-env:acme/api/x?y/T', 'github-env:'],
    ['github-env:acme/api/x#y/T', 'github-env:'],
    ['vault:kv/../sys/raw#token', 'vault:MOUNT/PATH#KEY'],
    ['vault:kv/%2e%2e/sys#token', 'must not hold'],
    ['vault:kv/a#b#c', 'vault:MOUNT/PATH#KEY'],
    ['vault:kv/a?version=1#b', 'vault:MOUNT/PATH#KEY'],
    ['vault:kv/root:word@vault.example/a#b', 'must not hold'],
    ['kubernetes:ci/agent/status#token', 'kubernetes:NAMESPACE/NAME#KEY'],
    ['gitlab:acme/api/T?environment=x&token=y', 'must not hold'],
    ['gitlab:acme/api/T?environment=x?y', 'gitlab:PROJECT/NAME'],
    ['gitlab:acme/api/T?environment=../../evil', 'as a part of it'],
    ['gitlab:acme/api/T?private_token=y', 'gitlab:PROJECT/NAME'],
    ['aws:arn:aws:secretsmanager:eu-central-1:123456789012:secret:ci/agent', 'aws:NAME#KEY'],
    ['aws:ci/agent#a#b', 'aws:NAME#KEY'],
    ['google:projects/acme-ci/secrets/agent', 'google:PROJECT/SECRET#KEY'],
    ['google:acme-ci/../agent', 'google:PROJECT/SECRET#KEY'],
    ['aws:ci/../agent', 'as a part of it'],
    ['gitlab:acme%2Fapi/T', 'must not hold'],
    [`vault:kv/ghp_${'a'.repeat(300)}${'b'.repeat(300)}#x`, 'characters at the most'],
    ['vault:kv/a\nb#token', 'do not show'],
    ['vault:kv/a\u202eb#token', 'do not show'],
    ['vault:kv/a\u0000#token', 'do not show'],
    ['vault:kv/\ud800#token', 'do not show'],
  ])('is not %j', (text, why) => {
    expect(placeFault(text)).toContain(why);
  });

  test('holds no secret', () => {
    expect(placeFault('vault:kv/AKIAQ3EGUUV7DSZ4XWNK/a#token')).toContain('hold no secret');
  });

  test.each([
    ['github:ACME/Api/token', 'github:acme/api/TOKEN', true],
    ['gitlab:acme/api/T', 'gitlab:acme/api/T?environment=*', true],
    ['gitlab:acme/api/T?environment=a', 'gitlab:acme/API/T?environment=A', true],
    ['gitlab:acme/api/T?environment=a', 'gitlab:acme/api/T?environment=b', false],
    ['aws:ci/agent', 'aws:ci/agent#token', true],
    ['aws:ci/agent#token', 'aws:ci/agent#other', false],
    ['vault:kv/A#b', 'vault:kv/a#b', false],
    ['vault:kv/a#b', 'vault:kv/a#b', true],
    ['github:acme/api/T', 'github-env:acme/api/T/T', false],
    ['file:/tmp/a#b', 'file:/tmp/a#c', false],
  ])('%s and %s being one place is %s', (one, other, expected) => {
    expect([isSamePlace(one, other), isSamePlace(other, one)]).toEqual([expected, expected]);
    if (expected) expect(holderKey(one)).toBe(holderKey(other));
  });
});

describe('a pattern of places', () => {
  test.each([
    ['vault:kv/ci/*#token', ['vault:kv/ci/agent#token']],
    ['vault:kv/ci/**', ['vault:kv/ci/agent#token', 'vault:kv/ci/deep/agent#token']],
    ['github:acme/**', ['github:acme/api/AGENT_TOKEN']],
    ['github:acme/*/AGENT_*', ['github:acme/api/AGENT_TOKEN']],
    ['github-env:acme/api/*/AGENT_TOKEN', ['github-env:acme/api/production eu/AGENT_TOKEN']],
    ['github-org:acme/*', ['github-org:acme/AGENT_TOKEN']],
    ['gitlab:4711/AGENT_TOKEN', ['gitlab:4711/AGENT_TOKEN?environment=review/*']],
    ['gitlab:4711/*?environment=review/*', ['gitlab:4711/AGENT_TOKEN?environment=review/*']],
    ['gitlab:4711/*?environment=production', []],
    ['gitlab:acme/**', ['gitlab:acme/team/api/AGENT_TOKEN']],
    ['gitlab-group:acme/**', ['gitlab-group:acme/team/AGENT_TOKEN']],
    ['kubernetes:ci/*#token', ['kubernetes:ci/agent#token']],
    ['aws:ci/*', ['aws:ci/agent#token']],
    ['google:acme-ci/*', ['google:acme-ci/agent#token']],
    ['aws:**', ['aws:ci/agent#token', 'aws:agent']],
  ])('%s matches %j', (pattern, places) => {
    expect(placePatternFault(pattern)).toBeUndefined();
    expect(PLACES.filter((place) => matchesPlace(pattern, place))).toEqual(places);
  });

  test.each([
    ['github:acme/**', 'github:acmeevil/api/T'],
    ['github:acme/**', 'github:evil/acme/T'],
    ['github:acme/**', 'github:ACME/api/T'],
    ['github:acme/**', 'github-env:acme/api/x/T'],
    ['github:acme/**', 'github-org:acme/T'],
    ['github:acme/**', 'github:acme/../../evil/T'],
    ['github:acme/**', 'github:acme/api/T?x'],
    ['github:acme/**', 'github:acme%2f..%2fevil/api/T'],
    ['github-env:acme/api/**', 'github-env:acme/api/x/../../../evil/api/y/T'],
    ['github-env:acme/api/*/T', 'github-env:acme/api/x/y/T'],
    ['gitlab:acme/*/PROD', 'gitlab:acme/X?environment=y/PROD'],
    ['gitlab:acme/**/PROD', 'gitlab:acme/evil/X?environment=y/PROD'],
    ['gitlab:acme/**', 'gitlab:evil/X?environment=gitlab:acme/x'],
    ['vault:kv/ci/*#token', 'vault:kv/ci/a/b#token'],
    ['vault:kv/ci/*#token', 'vault:kv/ci/a#token2'],
    ['vault:kv/ci/**', 'vault:kv/ci/../prod#token'],
    ['vault:kv/*/agent#token', 'vault:kv/x#y/agent#token'],
    ['kubernetes:ci/*#token', 'kubernetes:ci-evil/a#token'],
    ['aws:*/agent', 'aws:arn:aws:secretsmanager:eu-central-1:123456789012:secret:evil/agent'],
  ])('%s does not match %s', (pattern, place) => {
    expect(placePatternFault(pattern)).toBeUndefined();
    expect(matchesPlace(pattern, place)).toBe(false);
  });

  test.each([
    ['**', 'must begin with a kind'],
    ['*:acme/**', 'must begin with a kind'],
    ['git*:acme/**', 'must begin with a kind'],
    ['file:/etc/**', 'must begin with a kind'],
    ['github:acme/*', '* stays between two slashes'],
    ['github:acme/a/b/**/c', '* stays between two slashes'],
    ['vault:kv', '* stays between two slashes'],
    ['github:acme/ap**', 'with * and **'],
    ['github:acme//x', 'with * and **'],
    ['github:acme/api/T?x', 'with * and **'],
    ['github:acme%2F**/x/y', 'with * and **'],
    ['vault:kv/ci/*#', 'with * and **'],
  ])('is not %s', (pattern, why) => {
    expect(placePatternFault(pattern)).toContain(why);
  });

  test('with an owner in it never reaches another owner, whatever the text', () => {
    const part = fc.constantFrom(
      'acme',
      'evil',
      '..',
      '.',
      '',
      'api',
      'T',
      '#',
      '?environment=',
      '%2f',
      '@',
      '\\',
      ' ',
    );
    const glue = fc.constantFrom('/', '/', '/', '', '#', '?', '%2F');
    const text = fc.array(fc.tuple(part, glue), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom('github', 'github-env', 'github-org', 'gitlab', 'vault'), text, (kind, pieces) => {
        const place = `${kind}:${pieces.flat().join('')}`;
        const pattern = `${kind}:acme/**`;
        if (matchesPlace(pattern, place))
          expect(place).toMatch(new RegExp(`^${kind}:acme/(?!.*(?:^|/)\\.\\.?(?:/|$))`));
      }),
      { numRuns: 5000 },
    );
  });
});

describe('a list of rotations', () => {
  test('names each place and each token once, and no token by name where one stands without', () => {
    const faults = (...list: Parameters<typeof rotationFaults>[0]) =>
      rotationFaults(list).map(({ path }) => path.join('/'));
    expect(faults({ name: 'a', into: ['github:acme/api/A'] }, { name: 'b', into: ['github:acme/api/B'] })).toEqual([]);
    expect(faults({ name: 'a', into: ['github:acme/api/A'] }, { name: 'b', into: ['github:ACME/api/a'] })).toEqual([
      '1/into/0',
    ]);
    expect(faults({ into: ['vault:kv/a#b', 'vault:kv/a#b'] })).toEqual(['0/into/1']);
    expect(faults({ name: 'a', into: ['vault:kv/a#b'] }, { name: 'a', into: ['vault:kv/c#b'] })).toEqual(['1/name']);
    expect(faults({ name: 'a', into: ['vault:kv/a#b'] }, { into: ['vault:kv/c#b'] })).toEqual(['1']);
  });

  test('directs a secret elsewhere when a place is new to it, and not by another time', () => {
    const one = { name: 'a', into: ['vault:kv/a#b', 'vault:kv/c#b'], everyDays: 7 };
    expect(newPlaces([one], [{ ...one, into: ['vault:kv/c#b'] }])).toEqual([]);
    expect(newPlaces([one], [])).toEqual([]);
    expect(newPlaces([one], [{ ...one, name: 'b' }])).toEqual(one.into);
    expect(newPlaces([one], [{ ...one, into: ['vault:kv/d#b'] }])).toEqual(['vault:kv/d#b']);
    expect(newPlaces([], [one])).toEqual(one.into);
  });
});
