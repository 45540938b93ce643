import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  coversRole,
  mayChangeRole,
  mayGrantRole,
  mayManage,
  mayUse,
  ROLES,
  roleScopes,
  signInScopes,
} from '../../src/rules/role.js';
import { SERVICE_SCOPES } from '../../src/rules/scope.js';
import { anyScope } from '../setup/arbitraries.js';

const anyRole = fc.constantFrom(...ROLES);
const anyServiceScope = fc.constantFrom(...SERVICE_SCOPES);

describe('using a service scope', () => {
  test('more scopes never allow less', () => {
    fc.assert(
      fc.property(anyRole, fc.array(anyScope), fc.array(anyScope), anyServiceScope, (role, scopes, more, wanted) => {
        if (mayUse(role, scopes, wanted)) expect(mayUse(role, [...scopes, ...more], wanted)).toBe(true);
      }),
    );
  });

  test('no token reaches beyond its role, and no role beyond its token', () => {
    fc.assert(
      fc.property(anyRole, fc.array(anyScope), anyServiceScope, (role, scopes, wanted) => {
        if (mayUse(role, scopes, wanted)) expect(roleScopes(role)).toContain(wanted);
        expect(mayUse(role, [], wanted)).toBe(false);
      }),
    );
  });

  test('the sign-in token of a role opens exactly what the role allows', () => {
    for (const role of ROLES) {
      expect(SERVICE_SCOPES.filter((wanted) => mayUse(role, signInScopes(role), wanted))).toEqual(
        SERVICE_SCOPES.filter((wanted) => roleScopes(role).includes(wanted)),
      );
    }
  });

  test('an auditor changes nothing, a member manages nobody', () => {
    const changing = SERVICE_SCOPES.filter((scope) => /:(mint|rotate|revoke|write|check|admin)$/.test(scope));
    expect(roleScopes('auditor').filter((scope) => changing.includes(scope))).toEqual([]);
    expect(roleScopes('member').filter((scope) => /^(members|workspace|audit|runners):/.test(scope))).toEqual([]);
  });
});

describe('handing out roles', () => {
  test('none but an owner makes, changes or manages an owner', () => {
    for (const actor of ROLES.filter((role) => role !== 'owner')) {
      expect(mayGrantRole(actor, 'owner')).toBe(false);
      expect(mayManage(actor, 'owner')).toBe(false);
      for (const role of ROLES) {
        expect(mayChangeRole(actor, 'owner', role)).toBe(false);
        expect(mayChangeRole(actor, role, 'owner')).toBe(false);
      }
    }
  });

  test('an admin neither makes nor unmakes an admin', () => {
    expect(mayGrantRole('admin', 'admin')).toBe(false);
    for (const role of ROLES) expect(mayChangeRole('admin', 'admin', role)).toBe(false);
  });

  test('a role that is granted never allows more than the one that grants it', () => {
    for (const actor of ROLES) {
      for (const granted of ROLES.filter((role) => mayGrantRole(actor, role))) {
        expect(roleScopes(actor)).toEqual(expect.arrayContaining([...roleScopes(granted)]));
      }
    }
  });

  test('members and auditors hand out and manage nothing', () => {
    for (const actor of ['member', 'auditor'] as const) {
      expect(ROLES.filter((role) => mayGrantRole(actor, role) || mayManage(actor, role))).toEqual([]);
    }
  });
});

describe('covering another role', () => {
  test('what covers a role may do all that it may, and every role covers itself', () => {
    fc.assert(
      fc.property(anyRole, anyRole, anyRole, anyServiceScope, (role, other, third, scope) => {
        expect(coversRole(role, role)).toBe(true);
        if (!coversRole(role, other)) return;
        if (roleScopes(other).includes(scope)) expect(roleScopes(role)).toContain(scope);
        if (mayGrantRole(other, third)) expect(mayGrantRole(role, third)).toBe(true);
        if (mayManage(other, third)) expect(mayManage(role, third)).toBe(true);
      }),
    );
  });

  test('nobody but an owner covers an owner', () => {
    expect(ROLES.filter((role) => coversRole(role, 'owner'))).toEqual(['owner']);
  });
});
