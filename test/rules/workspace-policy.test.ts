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

  it('says the same of long lists as of the short ones that mean the same', () => {
    const often = (patterns: readonly string[] | undefined) =>
      patterns && Array.from({ length: 20 }, () => patterns).flat();
    const longer = (constraints: Constraints): Constraints => ({
      repositories: often(constraints.repositories),
      refs: often(constraints.refs),
      environments: often(constraints.environments),
      runners: often(constraints.runners),
      networks: often(constraints.networks),
    });
    const kinds = fc.uniqueArray(fc.constantFrom('repositories' as const, 'refs' as const, 'networks' as const));
    fc.assert(
      fc.property(anyConstraints, anyConstraints, anyConstraints, kinds, (own, workflows, { repositories }, asked) => {
        const bounds = policy({ requiredConstraints: asked, allowedRepositories: repositories });
        const short = policyFaults(token({ constraints: own, workflowConstraints: workflows }), bounds);
        const long = { constraints: longer(own), workflowConstraints: longer(workflows) };
        for (let again = 0; again < 2; again += 1) expect(policyFaults(token(long), bounds)).toEqual(short);
      }),
    );
  });

  it('holds nobody else up: the most and the worst patterns are compared once for thousands of reads', () => {
    const many = (pattern: (at: number) => string) => Array.from({ length: 64 }, (_, at) => pattern(at));
    const long = many((at) => `${'a'.repeat(240)}${at}/x`);
    const hostile = many((at) => `*${'a'.repeat(120)}b${at}/x`);
    const place = { repositories: long, environments: long, runners: long };
    const around = { repositories: ['**', ...hostile], environments: ['**', ...hostile], runners: hostile };
    const made = token({ constraints: place, workflowConstraints: around });
    const bounds = policy({ requiredConstraints: ['environments', 'runners'], allowedRepositories: hostile });
    const faults = new Set<string>();
    for (let read = 0; read < 2_000; read += 1) {
      for (const { path } of policyFaults(made, bounds)) faults.add(path.join('/'));
    }
    expect([...faults]).toEqual(['constraints/repositories']);
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
