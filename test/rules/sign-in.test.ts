import { describe, expect, test } from 'vitest';
import { isAllowedAddress, mappedRole, parseRolePairs, returnPath, verifiedAddress } from '../../src/rules/sign-in.js';

describe('an address counts', () => {
  test.each([true])('when the provider calls it verified', (isVerified) => {
    expect(verifiedAddress({ email: 'Ada@Acme.example', email_verified: isVerified }, false)).toBe('Ada@Acme.example');
  });

  test.each([[false], ['true'], [1], [undefined], [null], [{}], [[true]]])(
    'never when it says %j of it',
    (isVerified) => {
      expect(verifiedAddress({ email: 'ada@acme.example', email_verified: isVerified }, false)).toBeUndefined();
    },
  );

  test('of a trusted provider also when it says nothing of it', () => {
    expect(verifiedAddress({ email: 'ada@acme.example' }, true)).toBe('ada@acme.example');
    expect(verifiedAddress({ email: 'ada@acme.example', email_verified: true }, true)).toBe('ada@acme.example');
  });

  test.each([[false], ['false'], ['true'], [0], [1], [null], [{}]])(
    'of a trusted provider never when it says %j of it',
    (isVerified) => {
      expect(verifiedAddress({ email: 'ada@acme.example', email_verified: isVerified }, true)).toBeUndefined();
    },
  );

  test.each([
    'ada',
    '@acme.example',
    'ada@',
    'ada@acme',
    'ada@evil.example@acme.example',
    'ada@acme.example@evil.example',
    '"ada@evil.example"@acme.example',
    'ada@аcme.example',
    'ada@acme.exampl\u0435',
    'ada@acme。example',
    'ada@acme.example\n',
    'ada@acme.example ',
    'ada@acme.example\u0000',
    'ada@acme..example',
    'ada@.acme.example',
    'ada@acme.example.',
    'ada@-acme.example',
    'a da@acme.example',
    '\u212Aate@acme.example',
    `${'a'.repeat(250)}@acme.example`,
    ['ada@acme.example'],
    { address: 'ada@acme.example' },
  ])('never as %j', (email) => {
    expect(verifiedAddress({ email, email_verified: true }, true)).toBeUndefined();
    expect(verifiedAddress({ email }, true)).toBeUndefined();
  });
});

describe('a domain', () => {
  const domains = ['acme.example'];
  test.each(['ada@acme.example', 'ada@ACME.example', 'ada@Acme.Example'])('lets %s in', (address) => {
    expect(isAllowedAddress(address, domains)).toBe(true);
  });

  test.each([
    'ada@sub.acme.example',
    'ada@evilacme.example',
    'ada@acme.example.evil.example',
    'ada@xacme.example',
    'ada@evil.example@acme.example',
    'acme.example',
    undefined,
  ])('keeps %s out', (address) => {
    expect(isAllowedAddress(address, domains)).toBe(false);
  });

  test('of none lets everybody in', () => {
    expect(isAllowedAddress(undefined, [])).toBe(true);
  });
});

describe('the role of a claim', () => {
  const mapping = {
    claim: 'groups',
    pairs: [
      { value: 'platform', role: 'admin' as const },
      { value: 'everyone', role: 'member' as const },
    ],
  };
  test.each([
    ['platform', 'admin'],
    [['everyone', 'platform'], 'admin'],
    [['x', 'everyone'], 'member'],
    ['Platform', undefined],
    ['platform,everyone', undefined],
    [[], undefined],
    [undefined, undefined],
    [[['platform']], undefined],
    [{ platform: true }, undefined],
    [true, undefined],
  ])('%j is %s', (said, role) => {
    expect(mappedRole({ groups: said }, mapping)).toBe(role);
  });

  test('is a claim of the person’s own', () => {
    expect(mappedRole(Object.create({ groups: 'platform' }), mapping)).toBeUndefined();
  });

  test.each(['', '=admin', 'a=', 'a=Admin', 'a=admin,a=owner', 'a=admin,,b=owner'])('%j is no mapping', (text) => {
    expect(parseRolePairs(text)).toBeUndefined();
  });
});

describe('a sign-in leads', () => {
  test.each([
    '/console',
    '/console/device',
    '/console/step-up/stp_01KfUXmCbVYz8sQ2dW3nRk',
    '/console?x=1',
    '/console/device?user_code=WDJBM-JHTKX',
  ])('to %s', (path) => {
    expect(returnPath(path)).toBe(path);
  });

  test.each([
    undefined,
    '',
    '/',
    '/v1/me',
    '/consolex',
    '//evil.example',
    '///evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/console//evil.example',
    '/console/..//evil.example',
    '/console/../v1/me',
    '/console/./x',
    '/console/%2e%2e/v1',
    '/console/@evil.example',
    '/console:evil',
    'https://evil.example/console',
    'https:evil.example',
    'javascript:alert(1)',
    ' /console',
    '/console\n/evil',
    '/console\r\nset-cookie: x=y',
    '/console/\t/evil',
    '/console#x',
    '/console?next=https://evil.example',
    `/console/${'x'.repeat(600)}`,
  ])('not to %j', (path) => {
    expect(returnPath(path)).toBe('/console');
  });
});
