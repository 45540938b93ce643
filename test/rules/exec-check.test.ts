import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { constraintFaults } from '../../src/rules/constraint.js';
import { execDenials } from '../../src/rules/exec-check.js';
import { coversScope } from '../../src/rules/scope.js';
import { isActive } from '../../src/rules/token.js';
import { anyContext, anyFacts, anyInstant, anyScope, madeActive } from '../setup/arbitraries.js';

const anyRequest = fc.record({
  workflow: fc.constantFrom('nightly', 'release'),
  scopes: fc.array(anyScope, { maxLength: 3 }),
  context: anyContext,
});

describe('an exec check', () => {
  test('says yes exactly when the token is active, the workflow its own, each scope held and each constraint met', () => {
    const anySubject = fc.tuple(anyFacts, anyInstant, fc.boolean()).map(([facts, now, isLive]) => ({
      subject: isLive ? madeActive(facts, now) : facts,
      now,
    }));
    let allowed = 0;
    fc.assert(
      fc.property(anySubject, anyFacts, anyRequest, ({ subject, now }, caller, request) => {
        const isAllowed =
          isActive(subject, now) &&
          subject.kind === 'access' &&
          subject.workspaceId === caller.workspaceId &&
          subject.workflowLabel === request.workflow &&
          request.scopes.every((wanted) => subject.scopes.some((held) => coversScope(held, wanted))) &&
          constraintFaults(subject.constraints, request.context).length === 0 &&
          constraintFaults(subject.workflowConstraints, request.context).length === 0;
        if (isAllowed) allowed += 1;
        expect(execDenials(subject, caller, request, now).length === 0).toBe(isAllowed);
      }),
      { numRuns: 5000 },
    );
    expect(allowed).toBeGreaterThan(0);
  });

  test('denies a token that does not exist', () => {
    fc.assert(
      fc.property(anyFacts, anyRequest, anyInstant, (caller, request, now) => {
        expect(execDenials(undefined, caller, request, now).map((denial) => denial.code)).toEqual(['inactive']);
      }),
    );
  });

  test('says the same of an inactive token, a foreign one and none', () => {
    fc.assert(
      fc.property(anyFacts, anyFacts, anyRequest, anyInstant, (subject, caller, request, now) => {
        fc.pre(subject.workspaceId !== caller.workspaceId || !isActive(subject, now));
        expect(execDenials(subject, caller, request, now)).toEqual(execDenials(undefined, caller, request, now));
      }),
    );
  });

  test('names each reason once, with the codes that programs rely on', () => {
    const now = new Date('2026-01-01T00:00:00Z');
    const [facts] = fc.sample(anyFacts, { numRuns: 1, seed: 7 });
    if (facts === undefined) throw new Error('no facts');
    const constraints = {
      repositories: ['a/b'],
      refs: ['refs/x'],
      runners: ['r'],
      environments: ['e'],
      networks: ['::/0'],
    };
    const subject = {
      ...madeActive(facts, now),
      workflowLabel: 'nightly',
      scopes: ['repo:read'],
      constraints,
      workflowConstraints: constraints,
    };
    const request = { workflow: 'release', scopes: ['repo:read', 'codex:exec'], context: { repository: 'x/y' } };
    expect(execDenials(subject, subject, request, now).map((denial) => denial.code)).toEqual([
      'workflow_mismatch',
      'scope_missing',
      'repository_not_allowed',
      'ref_not_allowed',
      'environment_not_allowed',
      'runner_not_allowed',
      'network_not_allowed',
    ]);
  });

  test("a workflow narrowed after the mint binds its tokens' next check", () => {
    fc.assert(
      fc.property(anyFacts, anyInstant, anyContext, (facts, now, context) => {
        const subject = { ...madeActive(facts, now), constraints: {}, workflowConstraints: { refs: [] } };
        const request = { workflow: subject.workflowLabel, scopes: [], context };
        expect(execDenials(subject, subject, request, now).map((denial) => denial.code)).toEqual(['ref_not_allowed']);
      }),
    );
  });
});
