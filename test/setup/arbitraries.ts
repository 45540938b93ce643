import fc from 'fast-check';
import type { Constraints, RunContext } from '../../src/rules/constraint.js';
import { encodeBase62, type IdPrefix, parsePublicId, type TokenSecret } from '../../src/rules/format.js';
import { ROLES } from '../../src/rules/role.js';
import { RUNNER_STATUSES } from '../../src/rules/runner.js';
import { SERVICE_SCOPES } from '../../src/rules/scope.js';
import { MEMBER_STATUSES, type TokenFacts } from '../../src/rules/token.js';

/** Generators for property tests. Alphabets and time scales are small on purpose: what matters is where two values
 *  meet, and large random values never meet. */

/** An id of one kind, over all 128 bits. */
export function anyId<P extends IdPrefix>(prefix: P) {
  return fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => {
    const id = parsePublicId(prefix, `${prefix}_${encodeBase62(value, 22)}`);
    if (id === undefined) throw new Error(`${value} has no id`);
    return id;
  });
}

const anySecret = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }).map((value) => encodeBase62(value, 43) as TokenSecret);

export const anyToken = fc.record({ id: anyId('tok'), tokenSecret: anySecret });

/** A service scope, an agent scope or a wildcard, from so few parts that they often cover one another. */
export const anyScope = fc.oneof(
  fc.constantFrom(...SERVICE_SCOPES),
  fc
    .tuple(
      fc.array(fc.constantFrom('repo', 'pull', 'read', 'tokens', 'workspace', 'admin'), { minLength: 1, maxLength: 3 }),
      fc.constantFrom('*', 'read', 'mint', 'admin', 'pull'),
    )
    .map(([parts, last]) => [...parts, last].join(':')),
);

const segment = fc.string({ unit: fc.constantFrom('a', 'b', '*'), minLength: 1, maxLength: 4 });
const globSegment = fc.oneof(
  segment.map((text) => text.replaceAll(/\*+/g, '*')),
  fc.constant('**'),
);

/** A pattern over `a`, `b`, `*`, `**` and `/`. */
export const anyGlob = fc.array(globSegment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

/** A value over `a`, `b` and `/`, empty segments among them. */
export const anyPath = fc
  .array(fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 4 }), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'));

const few = (text: fc.Arbitrary<string>) => fc.array(text, { maxLength: 3 });

/** An IPv4 or IPv6 address. Those of each family share their first bits, so that networks often hold them. */
export const anyAddress = fc.oneof(
  fc.tuple(fc.constantFrom(10, 11, 192), fc.constantFrom(0, 1, 128, 255), fc.nat(255)).map((p) => `${p.join('.')}.7`),
  fc
    .tuple(fc.constantFrom('2001:db8', '2001:db9', 'fd00'), fc.nat(0xffff))
    .map(([net, host]) => `${net}::${host.toString(16)}`),
);

export const anyCidr = anyAddress.chain((address) =>
  fc.integer({ min: 0, max: address.includes(':') ? 128 : 32 }).map((bits) => `${address}/${bits}`),
);

/** Constraints of valid patterns; an empty list, which lets nothing through, is among them. */
export const anyConstraints: fc.Arbitrary<Constraints> = fc.record(
  {
    repositories: few(
      fc.tuple(segment, globSegment).map(([owner, name]) => `${owner.replaceAll(/\*+/g, '*')}/${name}`),
    ),
    refs: few(anyGlob.map((glob) => `refs/${glob}`)),
    environments: few(anyGlob),
    runners: few(anyGlob),
    networks: few(anyCidr),
  },
  { requiredKeys: [] },
);

/** The place of a run, which often says nothing about a kind. */
export const anyContext: fc.Arbitrary<RunContext> = fc.record(
  {
    repository: anyPath,
    ref: anyPath.map((path) => `refs/${path}`),
    environment: anyPath,
    runner: fc.record({ name: anyPath, labels: fc.array(anyPath, { maxLength: 3 }) }),
    address: anyAddress,
  },
  { requiredKeys: [] },
);

const START = Date.UTC(2026, 0, 1);

/** One of few instants, half a second apart, so that bounds are met exactly. */
export const anyInstant = fc.integer({ min: 0, max: 40 }).map((at) => new Date(START + at * 500));

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

export const anySuccession = fc.record({
  successorId: anyId('tok'),
  overlapEndsAt: anyInstant,
  drainSeconds: fc.nat(10),
  firstUsedAt: optional(anyInstant),
});

const mostlyFalse = fc.integer({ min: 0, max: 4 }).map((draw) => draw === 0);
const workspaceIds = fc.constantFrom(...fc.sample(anyId('ws'), { numRuns: 2, seed: 1 }));

/** All that decides about a token. Two workspaces and two workflows, so that they are shared as often as not. */
export const anyFacts: fc.Arbitrary<TokenFacts> = fc.record({
  id: anyId('tok'),
  kind: fc.constantFrom('access', 'access', 'access', 'invitation', 'runner'),
  workspaceId: workspaceIds,
  workspaceSlug: fc.constant('acme'),
  isWorkspaceSuspended: mostlyFalse,
  workflowLabel: fc.constantFrom('nightly', 'release'),
  isWorkflowPaused: mostlyFalse,
  workflowConstraints: fc.oneof(fc.constant({}), anyConstraints),
  maxRunSeconds: fc.integer({ min: 1, max: 100 }),
  isRunLimited: fc.boolean(),
  creatorId: anyId('mem'),
  creatorEmail: fc.constant('ada@example.com'),
  creatorRole: fc.constantFrom(...ROLES),
  creatorStatus: fc.constantFrom('active', 'active', 'active', ...MEMBER_STATUSES),
  policyFaults: mostlyFalse.map((isFaulty) => (isFaulty ? ['is not what the policy allows'] : [])),
  scopes: fc.array(anyScope, { maxLength: 4 }),
  constraints: fc.oneof(fc.constant({}), anyConstraints),
  createdAt: anyInstant,
  notBefore: optional(anyInstant),
  expiresAt: anyInstant,
  firstUsedAt: optional(anyInstant),
  isRevoked: mostlyFalse,
  isFrozen: mostlyFalse,
  succession: optional(anySuccession),
  jkt: optional(fc.constant('thumbprint')),
  runner: optional(
    fc.record({
      id: anyId('rnr'),
      name: fc.constant('build-1'),
      labels: fc.constant([]),
      status: fc.constantFrom('active', 'active', ...RUNNER_STATUSES),
    }),
  ),
});

/** The same facts with nothing that speaks against the token at `now`. */
export function madeActive(facts: TokenFacts, now: Date): TokenFacts {
  return {
    ...facts,
    kind: 'access',
    isWorkspaceSuspended: false,
    isWorkflowPaused: false,
    creatorStatus: 'active',
    policyFaults: [],
    notBefore: undefined,
    expiresAt: new Date(now.getTime() + 1),
    isRevoked: false,
    isFrozen: false,
    succession: undefined,
    jkt: undefined,
    runner: undefined,
  };
}
