import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { constraintFaults } from '../../src/rules/constraint.js';
import { introspect, mayIntrospect } from '../../src/rules/introspection.js';
import { isActive } from '../../src/rules/token.js';
import { anyContext, anyFacts, anyInstant, madeActive } from '../setup/arbitraries.js';

const ISSUER = 'https://tokens.example.com';

describe('an introspection', () => {
  test('is active exactly when the token is, in the workspace of the caller', () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, anyInstant, fc.boolean(), (facts, caller, now, isLive) => {
        const subject = isLive ? madeActive(facts, now) : facts;
        const isVisible = isActive(subject, now) && subject.workspaceId === caller.workspaceId;
        expect(introspect(subject, caller, ISSUER, now).active).toBe(isVisible);
      }),
      { numRuns: 2000 },
    );
  });

  test('says nothing but inactive of a foreign, an inactive and an unknown token (RFC 7662 section 2.2)', () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, anyInstant, (subject, caller, now) => {
        fc.pre(subject.workspaceId !== caller.workspaceId || !isActive(subject, now));
        expect(introspect(subject, caller, ISSUER, now)).toEqual({ active: false });
        expect(introspect(undefined, caller, ISSUER, now)).toEqual({ active: false });
      }),
    );
  });

  test('shows times in whole seconds that lie around now (RFC 7662 section 2.2)', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const subject = { ...madeActive(facts, now), notBefore: facts.notBefore };
        const answer = introspect(subject, subject, ISSUER, now);
        if (!answer.active) return;
        expect([answer.iat, answer.nbf, answer.exp].every(Number.isSafeInteger)).toBe(true);
        expect(answer.exp * 1000).toBeLessThanOrEqual(subject.expiresAt.getTime());
        if (subject.notBefore) expect(answer.nbf * 1000).toBeLessThanOrEqual(now.getTime());
        else expect(answer.nbf).toBe(answer.iat);
      }),
    );
  });

  test('shows at most one agent_exec object, never wider than the token or its workflow (RFC 9396)', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, anyContext, (facts, now, context) => {
        const subject = madeActive(facts, now);
        const answer = introspect(subject, subject, ISSUER, now);
        if (!answer.active) throw new Error('the token should be active');
        expect(answer.authorization_details.length).toBeLessThanOrEqual(1);
        const { type = 'agent_exec', ...shown } = answer.authorization_details[0] ?? {};
        expect(type).toBe('agent_exec');
        if (constraintFaults(shown, context).length > 0) return;
        expect(constraintFaults(subject.constraints, context)).toEqual([]);
        expect(constraintFaults(subject.workflowConstraints, context)).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });

  test('names the successor while both are valid', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const succession = facts.succession && {
          ...facts.succession,
          overlapEndsAt: new Date(now.getTime() + 1),
          firstUsedAt: undefined,
        };
        const subject = { ...madeActive(facts, now), succession };
        const answer = introspect(subject, subject, ISSUER, now);
        expect(answer).toHaveProperty('active', true);
        expect('superseded_by' in answer).toBe(succession !== undefined);
      }),
    );
  });
});

test('who may ask holds tokens:introspect or exec:check, by role and by token', () => {
  fc.assert(
    fc.property(anyFacts, (facts) => {
      for (const scope of ['tokens:introspect', 'exec:check']) {
        expect(mayIntrospect({ ...facts, creatorRole: 'admin', scopes: [scope] })).toBe(true);
        expect(mayIntrospect({ ...facts, creatorRole: 'member', scopes: [scope] })).toBe(false);
      }
      expect(mayIntrospect({ ...facts, creatorRole: 'owner', scopes: ['tokens:read', 'codex:exec'] })).toBe(false);
      expect(mayIntrospect({ ...facts, creatorRole: 'auditor', scopes: ['exec:check'] })).toBe(false);
    }),
  );
});
