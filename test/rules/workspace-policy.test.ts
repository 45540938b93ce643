import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Constraints, withinConstraints } from '../../src/rules/constraint.js';
import { addDays } from '../../src/rules/lifetime.js';
import { holdsScope } from '../../src/rules/scope.js';
import {
  type PolicedToken,
  periodsWithin,
  placeWithin,
  policyFaults,
  scopesWithin,
  type WorkspacePolicy,
} from '../../src/rules/workspace-policy.js';
import { anyConstraints, anyFacts, anyScope } from '../setup/arbitraries.js';

const START = new Date('2026-03-02T09:00:00.000Z');
const token = (changes: Partial<PolicedToken> = {}): PolicedToken => ({
  kind: 'access',
  workflowLabel: 'nightly',
  workflowConstraints: {},
  creatorRole: 'member',
  scopes: ['repo:read'],
  constraints: {},
  createdAt: START,
  expiresAt: addDays(START, 30),
  ...changes,
});
const policy = (bounds: Omit<WorkspacePolicy, 'enforcement'>): WorkspacePolicy => ({ enforcement: 'block', ...bounds });
const rulesOf = (changes: Partial<PolicedToken>, bounds: Omit<WorkspacePolicy, 'enforcement'>) =>
  policyFaults(token(changes), policy(bounds)).map(({ rule, path }) => [rule, ...path].join(' '));
const place = (constraints: Constraints, bounds: Omit<WorkspacePolicy, 'enforcement'>) =>
  rulesOf({ constraints }, bounds);

describe('a policy', () => {
  it('that bounds nothing finds nothing wrong', () => {
    fc.assert(fc.property(anyFacts, (facts) => void expect(policyFaults(facts, policy({}))).toEqual([])));
  });

  it('bounds a life as it was minted, to the millisecond', () => {
    const bounds = { longestExpiryDays: 30 };
    expect(rulesOf({}, bounds)).toEqual([]);
    const late = new Date(addDays(START, 30).getTime() + 1);
    expect(rulesOf({ expiresAt: late }, bounds)).toEqual(['longest_expiry_days expires_in_days']);
  });

  it('bounds every scope, wildcards and those of the service too', () => {
    const bounds = { allowedScopes: ['repo:*', 'codex:exec'] };
    expect(rulesOf({ scopes: ['repo:read', 'repo:*', 'codex:exec'] }, bounds)).toEqual([]);
    expect(rulesOf({ scopes: ['codex:*', 'repo:read', 'tokens:mint', 'workspace:admin'] }, bounds)).toEqual([
      'allowed_scopes scopes 0',
      'allowed_scopes scopes 2',
      'allowed_scopes scopes 3',
    ]);
    expect(rulesOf({ scopes: ['repo:*'] }, { allowedScopes: ['repo:read'] })).toEqual(['allowed_scopes scopes 0']);
  });

  it('asks for constraints, of the token or of its workflow, and takes none that lets everything through', () => {
    const asked = (kind: 'repositories' | 'refs' | 'environments' | 'networks', patterns: string[]) =>
      place({ [kind]: patterns }, { requiredConstraints: [kind] });
    expect(place({}, { requiredConstraints: ['refs'] })).toEqual(['required_constraints constraints refs']);
    const byWorkflow = { workflowConstraints: { refs: ['refs/heads/main'] } };
    expect(rulesOf(byWorkflow, { requiredConstraints: ['refs'] })).toEqual([]);
    for (const [kind, pattern] of [
      ['repositories', '**'],
      ['repositories', '*/*'],
      ['refs', '**'],
      ['refs', 'refs/**'],
      ['environments', '*'],
      ['networks', '0.0.0.0/0'],
      ['networks', '::/0'],
    ] as const) {
      expect(asked(kind, [pattern]), pattern).toHaveLength(1);
    }
    expect(asked('repositories', ['acme/*', '**'])).toHaveLength(1);
    expect(asked('repositories', ['acme/*'])).toEqual([]);
    expect(asked('refs', ['refs/heads/*'])).toEqual([]);
    expect(asked('networks', ['10.0.0.0/8'])).toEqual([]);
  });

  it('bounds repositories: who names none reaches beyond', () => {
    const bounds = { allowedRepositories: ['acme/*'] };
    expect(place({ repositories: ['acme/shop', 'acme/*'] }, bounds)).toEqual([]);
    expect(place({}, bounds)).toEqual(['allowed_repositories constraints repositories']);
    expect(place({ repositories: ['acme/shop', 'evil/shop'] }, bounds)).toHaveLength(1);
    const byWorkflow = { workflowConstraints: { repositories: ['acme/shop'] }, constraints: { repositories: ['**'] } };
    expect(rulesOf(byWorkflow, bounds)).toEqual([]);
  });

  it('bounds who may have tokens, and never an owner', () => {
    expect(rulesOf({ creatorRole: 'member' }, { minters: ['admin'] })).toEqual(['minters']);
    expect(rulesOf({ creatorRole: 'admin' }, { minters: ['admin'] })).toEqual([]);
    expect(rulesOf({ creatorRole: 'owner' }, { minters: ['admin'] })).toEqual([]);
  });

  it('does not reach sign-in tokens, invitations and runners', () => {
    const all = {
      longestExpiryDays: 1,
      allowedScopes: ['x:y'],
      requiredConstraints: ['refs'],
      minters: ['owner'],
    } as const;
    expect(rulesOf({}, all)).toHaveLength(4);
    for (const changes of [
      { workflowLabel: 'countersign' },
      { workflowLabel: 'countersign.mail' },
      { kind: 'invitation' },
      { kind: 'runner' },
    ] as const) {
      expect(rulesOf(changes, all)).toEqual([]);
    }
    expect(rulesOf({ workflowLabel: 'countersigned' }, all)).toHaveLength(4);
  });

  it('leaves of scopes, places and periods no more than there was, and what complies', () => {
    const bounds = fc.record({ allowedScopes: fc.array(anyScope, { maxLength: 4 }), longestExpiryDays: fc.nat(40) });
    fc.assert(
      fc.property(anyFacts, bounds, anyConstraints, (facts, { allowedScopes, longestExpiryDays }, other) => {
        const allowedRepositories = other.repositories ?? [];
        const held = policy({ allowedScopes, allowedRepositories, longestExpiryDays });
        const scopes = scopesWithin(facts.scopes, held);
        const constraints = placeWithin(facts.constraints, held);
        const [days = 0] = periodsWithin([7, 30], held);
        expect(scopes.every((scope) => holdsScope(facts.scopes, scope))).toBe(true);
        expect(withinConstraints(constraints, facts.constraints)).toBe(true);
        const narrowed = { ...facts, scopes, constraints, expiresAt: addDays(facts.createdAt, days) };
        expect(policyFaults(narrowed, held)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
