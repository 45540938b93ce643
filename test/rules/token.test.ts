import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { overlapEnd } from '../../src/rules/rotation.js';
import { RUNNER_STATUSES } from '../../src/rules/runner.js';
import { isActive, MEMBER_STATUSES, runEnd, tokenStatus } from '../../src/rules/token.js';
import { anyFacts, anyId, anyInstant, anySuccession, madeActive } from '../setup/arbitraries.js';

const many = { numRuns: 2000 };

describe('a token', () => {
  test('that nothing speaks against is active', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        expect(tokenStatus(madeActive(facts, now), now)).toBe('active');
        expect(isActive(madeActive(facts, now), now)).toBe(true);
      }),
    );
  });

  test('is never active at or after its end', () => {
    fc.assert(
      fc.property(anyFacts, fc.nat(10_000), (facts, later) => {
        expect(isActive(facts, new Date(facts.expiresAt.getTime() + later))).toBe(false);
      }),
      many,
    );
  });

  test('is active one millisecond before its end and not at it', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const live = madeActive(facts, now);
        expect(isActive(live, new Date(live.expiresAt.getTime() - 1))).toBe(true);
        expect(tokenStatus(live, live.expiresAt)).toBe('expired');
      }),
    );
  });

  test('is never active before its not_before, and is at it', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, fc.integer({ min: 1, max: 10_000 }), (facts, notBefore, earlier) => {
        const held = { ...madeActive(facts, notBefore), notBefore };
        expect(tokenStatus(held, new Date(notBefore.getTime() - earlier))).toBe('not_yet_valid');
        expect(tokenStatus(held, notBefore)).toBe('active');
        expect(isActive({ ...facts, notBefore }, new Date(notBefore.getTime() - earlier))).toBe(false);
      }),
    );
  });

  test('that is revoked is revoked at every time, whatever else holds', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        expect(tokenStatus({ ...facts, isRevoked: true }, now)).toBe('revoked');
        const isOver = now >= facts.expiresAt && !facts.isRevoked;
        expect(tokenStatus({ ...facts, creatorStatus: 'removed' }, now)).toBe(isOver ? 'expired' : 'revoked');
      }),
    );
  });

  test('that was once expired or superseded is not active later', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, fc.nat(10_000), (facts, now, later) => {
        if (!['expired', 'superseded', 'revoked'].includes(tokenStatus(facts, now))) return;
        expect(isActive(facts, new Date(now.getTime() + later))).toBe(false);
      }),
      many,
    );
  });

  test('is superseded from the end of the overlap on, and rotating before it', () => {
    fc.assert(
      fc.property(anyFacts, anySuccession, fc.nat(10_000), (facts, succession, offset) => {
        const end = overlapEnd(succession);
        const rotated = { ...madeActive(facts, new Date(end.getTime() + 20_000)), succession };
        expect(tokenStatus(rotated, new Date(end.getTime() + offset))).toBe('superseded');
        expect(tokenStatus(rotated, new Date(end.getTime() - 1 - offset))).toBe('rotating');
      }),
    );
  });

  test('that is frozen, of a creator who is not active, of a paused workflow or a suspended workspace is suspended', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const live = madeActive(facts, now);
        expect(tokenStatus({ ...live, isWorkflowPaused: true }, now)).toBe('suspended');
        expect(tokenStatus({ ...live, isWorkspaceSuspended: true }, now)).toBe('suspended');
        expect(tokenStatus({ ...live, isFrozen: true }, now)).toBe('suspended');
        for (const creatorStatus of MEMBER_STATUSES) {
          expect(isActive({ ...live, creatorStatus }, now)).toBe(creatorStatus === 'active');
        }
      }),
    );
  });

  test('that does not keep to a policy that blocks is suspended, and its work under way goes on', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const held = { ...madeActive(facts, now), policyFaults: ['lives too long'] };
        expect(tokenStatus(held, now)).toBe('suspended');
        expect(isActive(held, now)).toBe(false);
        expect(runEnd(held)).toBeUndefined();
      }),
    );
  });

  test('of a runner is active while its runner is, and never without one', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, anyId('rnr'), (facts, now, id) => {
        const live = { ...madeActive(facts, now), kind: 'runner', jkt: 'thumbprint' } as const;
        expect(isActive(live, now)).toBe(false);
        for (const status of RUNNER_STATUSES) {
          const held = { ...live, runner: { id, name: 'build-1', labels: [], status } };
          expect(isActive(held, now)).toBe(status === 'active');
          expect(runEnd(held)).toBe({ active: undefined, suspended: 'suspended', removed: 'revoked' }[status]);
        }
      }),
    );
  });

  test('that is an invitation is never active', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        expect(isActive({ ...facts, kind: 'invitation' }, now)).toBe(false);
        expect(isActive({ ...madeActive(facts, now), kind: 'invitation' }, now)).toBe(false);
      }),
    );
  });

  test('shows what ends it for good before what only holds it back', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const reasons = [
          [facts.isRevoked, 'revoked'],
          [facts.expiresAt <= now, 'expired'],
          [facts.creatorStatus === 'removed' || facts.runner?.status === 'removed', 'revoked'],
          [facts.succession !== undefined && overlapEnd(facts.succession) <= now, 'superseded'],
          [
            facts.isFrozen ||
              facts.isWorkspaceSuspended ||
              facts.isWorkflowPaused ||
              facts.policyFaults.length > 0 ||
              facts.creatorStatus !== 'active' ||
              facts.runner?.status === 'suspended',
            'suspended',
          ],
          [facts.notBefore !== undefined && facts.notBefore > now, 'not_yet_valid'],
          [facts.succession !== undefined, 'rotating'],
          [true, 'active'],
        ] as const;
        expect(tokenStatus(facts, now)).toBe(reasons.find(([applies]) => applies)?.[1]);
      }),
      many,
    );
  });
});

describe('the right to go on running', () => {
  test('has never ended while the token is active', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        if (isActive(facts, now)) expect(runEnd(facts)).toBeUndefined();
      }),
      many,
    );
  });

  test('ends with revocation and suspension, not with expiry, supersession, not_before or a policy', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const status = tokenStatus({ ...facts, policyFaults: [] }, now);
        if (status === 'revoked' || status === 'suspended') expect(runEnd(facts)).toBeDefined();
        const aged = { ...madeActive(facts, now), expiresAt: now, succession: facts.succession };
        expect(runEnd(aged)).toBeUndefined();
      }),
      many,
    );
  });

  test('names the gravest end', () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, (facts, now) => {
        const live = madeActive(facts, now);
        expect(runEnd({ ...live, isWorkflowPaused: true })).toBe('paused');
        expect(runEnd({ ...live, isWorkflowPaused: true, isWorkspaceSuspended: true })).toBe('suspended');
        expect(runEnd({ ...live, isWorkflowPaused: true, creatorStatus: 'suspended' })).toBe('suspended');
        expect(runEnd({ ...live, isWorkflowPaused: true, isFrozen: true })).toBe('suspended');
        expect(runEnd({ ...live, isFrozen: true, isRevoked: true })).toBe('revoked');
        expect(runEnd({ ...live, creatorStatus: 'suspended', isRevoked: true })).toBe('revoked');
        expect(runEnd({ ...live, creatorStatus: 'removed' })).toBe('revoked');
      }),
    );
  });
});
