import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { constraintFaults } from '../../src/rules/constraint.js';
import { type Grantor, grantedConstraints, mayHandOn, mayHandOnRole, scopeFault } from '../../src/rules/grant.js';
import { mayUse, ROLES, roleScopes } from '../../src/rules/role.js';
import { coversScope, SERVICE_SCOPES } from '../../src/rules/scope.js';
import { anyConstraints, anyContext, anyScope } from '../setup/arbitraries.js';

const anyGrantor: fc.Arbitrary<Grantor> = fc.record({
  role: fc.constantFrom(...ROLES),
  scopes: fc.array(anyScope, { maxLength: 4 }),
  constraints: anyConstraints,
});

describe('handing on', () => {
  test('a scope never opens an endpoint that the grantor could not open', () => {
    fc.assert(
      fc.property(anyGrantor, anyScope, (grantor, scope) => {
        if (!mayHandOn(grantor, scope)) return;
        const opened = SERVICE_SCOPES.filter((wanted) => mayUse(grantor.role, [scope], wanted));
        expect(opened.filter((wanted) => !mayUse(grantor.role, grantor.scopes, wanted))).toEqual([]);
      }),
      { numRuns: 5000 },
    );
  });

  test('a token that runs jobs hands on no agent scope that it does not hold', () => {
    fc.assert(
      fc.property(anyGrantor, anyScope, (grantor, scope) => {
        const running = { ...grantor, scopes: [...grantor.scopes, 'codex:exec'] };
        if (!mayHandOn(running, scope)) return;
        expect(running.scopes.some((held) => coversScope(held, scope))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('a role never gives more than the grantor can use', () => {
    fc.assert(
      fc.property(anyGrantor, fc.constantFrom(...ROLES), (grantor, role) => {
        if (!mayHandOnRole(grantor, role)) return;
        for (const scope of roleScopes(role)) expect(mayUse(grantor.role, grantor.scopes, scope)).toBe(true);
      }),
    );
  });

  test('an agent scope needs the policy, whoever grants it', () => {
    const owner: Grantor = { role: 'owner', scopes: ['workspace:admin'], constraints: {} };
    expect(scopeFault(owner, { allowedScopes: ['repo:*'] }, 'repo:read')).toBeUndefined();
    expect(scopeFault(owner, { allowedScopes: ['repo:*'] }, 'codex:exec')).toBe('policy');
    expect(scopeFault(owner, { allowedScopes: [] }, 'tokens:mint')).toBeUndefined();
    expect(scopeFault(owner, { allowedScopes: ['workspace:admin'] }, 'tokens:*')).toBe('policy');
    expect(scopeFault(owner, { allowedScopes: ['tokens:*'] }, 'tokens:*')).toBeUndefined();
  });

  test('a service scope needs the grantor to hold it by role and by token', () => {
    const policy = { allowedScopes: ['tokens:*', 'workspace:*'] };
    const holding = (role: Grantor['role'], ...scopes: string[]): Grantor => ({ role, scopes, constraints: {} });
    expect(scopeFault(holding('member', 'tokens:mint'), policy, 'tokens:revoke')).toBe('grantor');
    expect(scopeFault(holding('member', 'workspace:admin'), policy, 'members:write')).toBe('grantor');
    expect(scopeFault(holding('owner', 'tokens:mint'), policy, 'tokens:*')).toBe('grantor');
    expect(scopeFault(holding('owner', 'tokens:mint'), policy, 'workspace:admin')).toBe('grantor');
    expect(scopeFault(holding('admin', 'workspace:admin'), policy, 'workspace:*')).toBeUndefined();
  });
});

test("the constraints of a token are never wider than its workflow's, whatever was asked for", () => {
  fc.assert(
    fc.property(anyConstraints, anyConstraints, anyContext, (asked, workflow, context) => {
      const granted = grantedConstraints(asked, workflow);
      if (constraintFaults(granted.constraints, context).length > 0) return;
      expect(constraintFaults(workflow, context)).toEqual([]);
      expect(constraintFaults(asked, context)).toEqual([]);
    }),
    { numRuns: 2000 },
  );
});
