import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { askedScopes, deviceName, deviceScopes } from '../../src/rules/device.js';
import { ROLES, signInScopes } from '../../src/rules/role.js';
import { isRotatable } from '../../src/rules/rotation.js';
import { holdsScope, SERVICE_SCOPES } from '../../src/rules/scope.js';

const anyRole = fc.constantFrom(...ROLES);
const anyScopes = fc.uniqueArray(fc.constantFrom(...SERVICE_SCOPES), { minLength: 1 });

describe('the name of a device', () => {
  test('is one line of at most 64 characters, with nothing invisible and nothing that reorders it', () => {
    const anyName = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.string({ maxLength: 200 }));
    fc.assert(
      fc.property(anyName, (claimed) => {
        const name = deviceName(claimed);
        expect([...name].length).toBeGreaterThan(0);
        expect([...name].length).toBeLessThanOrEqual(64);
        expect(name).not.toMatch(/[\p{C}\p{Zl}\p{Zp}\p{DI}]|^\s|\s$|\s\s/u);
        expect(deviceName(name)).toBe(name);
      }),
    );
  });

  test.for([
    ['laptop-7', 'laptop-7'],
    ['Büro 7', 'Büro 7'],
    ['a\u202eb\u0000c\nd', 'a b c d'],
    ['\u3164\u200b', 'unnamed device'],
    [undefined, 'unnamed device'],
    ['\ud800', '\ufffd'],
  ] as const)('%j is shown as %j', ([claimed, shown]) => {
    expect(deviceName(claimed)).toBe(shown);
  });
});

describe('the scopes of a device', () => {
  test('are read when they are all of this service, and not else', () => {
    fc.assert(
      fc.property(anyScopes, (scopes) => {
        expect(askedScopes(scopes.join(' '))).toEqual(scopes);
        expect(askedScopes(`${scopes.join(' ')} repo:read`)).toBeUndefined();
        expect(askedScopes(`tokens:* ${scopes.join(' ')}`)).toBeUndefined();
      }),
    );
    expect(askedScopes(undefined)).toEqual([]);
    expect(askedScopes('  ')).toEqual([]);
  });

  test('are never more than the person signs in with, and never others than were asked for', () => {
    fc.assert(
      fc.property(anyRole, anyScopes, (role, asked) => {
        const { scopes, beyond } = deviceScopes(role, asked);
        expect(scopes).toEqual(asked);
        const isWithin = (scope: string) => holdsScope(signInScopes(role), scope);
        expect(beyond).toEqual(asked.filter((scope) => !isWithin(scope)));
      }),
    );
  });

  test('are all of the person when none is asked for', () => {
    for (const role of ROLES) {
      for (const none of [null, []])
        expect(deviceScopes(role, none)).toEqual({ scopes: signInScopes(role), beyond: [] });
    }
  });
});

test('what was made for hours is not rotated, what was made for days is', () => {
  expect(isRotatable({ expiresInDays: 0 })).toBe(false);
  fc.assert(fc.property(fc.integer({ min: 1, max: 366 }), (expiresInDays) => isRotatable({ expiresInDays })));
});
