import { createHash } from 'node:crypto';
import { type ConstraintKind, type Constraints, narrowConstraints, parseCidr, widerKinds } from './constraint.js';
import { addDays } from './lifetime.js';
import type { Role } from './role.js';
import { coversScope } from './scope.js';
import type { TokenKind } from './token.js';
import { isReservedLabel } from './workflow.js';

/** What every workflow of a workspace is held to. What is `undefined` is not bounded. `block` makes a token that does not
 *  comply inactive; `report` only lists it. */
export interface WorkspacePolicy {
  readonly enforcement: 'report' | 'block';
  readonly longestExpiryDays?: number | undefined;
  readonly allowedScopes?: readonly string[] | undefined;
  readonly requiredConstraints?: readonly ConstraintKind[] | undefined;
  readonly allowedRepositories?: readonly string[] | undefined;
  readonly maxTokensPerWorkflow?: number | undefined;
  readonly minters?: readonly MinterRole[] | undefined;
  /** No bound that a token keeps to: after so many days without use it is frozen, whatever the enforcement. */
  readonly freezeUnusedAfterDays?: number | undefined;
}

/** The roles that a policy may let mint. An auditor changes nothing, and an owner always may: no policy locks one out. */
export type MinterRole = Exclude<Role, 'auditor'>;

/** The most tokens that a policy may allow a workflow. */
export const MAX_TOKENS_PER_WORKFLOW = 1_000_000;

/** Which bound of a policy a token does not keep to. */
export type PolicyRule =
  | 'longest_expiry_days'
  | 'allowed_scopes'
  | 'required_constraints'
  | 'allowed_repositories'
  | 'minters';

/** One bound that a token does not keep to. `path` leads to what is wrong in a request for such a token. */
export interface PolicyFault {
  readonly rule: PolicyRule;
  readonly path: readonly (string | number)[];
  readonly detail: string;
}

/** What a policy looks at in a token. */
export interface PolicedToken {
  readonly kind: TokenKind;
  readonly workflowLabel: string;
  readonly workflowConstraints: Constraints;
  readonly creatorRole: Role;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** Whether a policy does not speak of a token: those of the service's own workflows, with which people sign in, so that
 *  nobody is locked out by one; invitations; and those of runners, which run no jobs. */
export function isBeyondReach({ kind, workflowLabel }: Pick<PolicedToken, 'kind' | 'workflowLabel'>): boolean {
  return kind !== 'access' || isReservedLabel(workflowLabel);
}

/** Every bound of a policy that a token does not keep to; none when it complies. A token's life counts as it was minted,
 *  its place together with its workflow's of today, its creator's role as it is now. How many tokens a workflow has is no
 *  fault of one of them: that is asked when another is made. */
export function policyFaults(token: PolicedToken, policy: WorkspacePolicy): PolicyFault[] {
  if (isBeyondReach(token)) return [];
  return [
    ...lifeFaults(token, policy),
    ...scopeFaults(token.scopes, policy),
    ...placeFaults(token, policy),
    ...minterFaults(token.creatorRole, policy),
  ];
}

/** The part of scopes that a policy allows. */
export function scopesWithin(scopes: readonly string[], { allowedScopes }: WorkspacePolicy): readonly string[] {
  return allowedScopes === undefined ? scopes : scopes.filter((scope) => isAllowed(scope, allowedScopes));
}

/** The part of a place that a policy allows. A constraint that it asks for is not made up. */
export function placeWithin(constraints: Constraints, { allowedRepositories }: WorkspacePolicy): Constraints {
  if (allowedRepositories === undefined) return constraints;
  return narrowConstraints(constraints, { repositories: allowedRepositories });
}

/** The periods that a policy allows, in days. */
export function periodsWithin(days: readonly number[], { longestExpiryDays }: WorkspacePolicy): readonly number[] {
  return longestExpiryDays === undefined ? days : days.filter((one) => one <= longestExpiryDays);
}

/** Whether a policy finds no fault with any token: it bounds nothing, or only how many there may be and how long one may go
 *  unused. */
export function isFaultless(policy: WorkspacePolicy): boolean {
  return isUnbounded({ ...policy, maxTokensPerWorkflow: undefined, freezeUnusedAfterDays: undefined });
}

/** Of more patterns each is compared with each, which takes milliseconds where most take microseconds. */
const FEW_PATTERNS = 16;
const MAX_REMEMBERED = 1_000;
const verdicts = new Map<string, readonly PolicyFault[]>();

/** What long lists come to, by all that it comes from: every read of a token asks again, and others wait meanwhile. Nothing
 *  stale can come of it: what is read anew is the lists. */
function remembered(facts: readonly unknown[], judge: () => readonly PolicyFault[]): readonly PolicyFault[] {
  const key = createHash('sha256').update(JSON.stringify(facts)).digest('base64');
  const verdict = verdicts.get(key) ?? judge();
  // The one that was asked for last goes last.
  verdicts.delete(key);
  verdicts.set(key, verdict);
  const [oldest] = verdicts.keys();
  if (verdicts.size > MAX_REMEMBERED && oldest !== undefined) verdicts.delete(oldest);
  return verdict;
}

/** Whether a policy says nothing. */
export function isUnbounded({ enforcement: _, ...bounds }: WorkspacePolicy): boolean {
  return Object.values(bounds).every((bound) => bound === undefined);
}

function lifeFaults({ createdAt, expiresAt }: PolicedToken, { longestExpiryDays }: WorkspacePolicy): PolicyFault[] {
  if (longestExpiryDays === undefined || expiresAt <= addDays(createdAt, longestExpiryDays)) return [];
  const detail = `lives longer than the workspace's policy allows: ${longestExpiryDays} days`;
  return [{ rule: 'longest_expiry_days', path: ['expires_in_days'], detail }];
}

function scopeFaults(scopes: readonly string[], { allowedScopes }: WorkspacePolicy): PolicyFault[] {
  if (allowedScopes === undefined) return [];
  return scopes.flatMap((scope, at): PolicyFault[] => {
    if (isAllowed(scope, allowedScopes)) return [];
    return [{ rule: 'allowed_scopes', path: ['scopes', at], detail: `the workspace's policy does not allow ${scope}` }];
  });
}

function isAllowed(scope: string, allowed: readonly string[]): boolean {
  return allowed.some((held) => coversScope(held, scope));
}

/** What is wrong with a token's place together with its workflow's. */
function placeFaults({ constraints, workflowConstraints }: PolicedToken, policy: WorkspacePolicy) {
  const { requiredConstraints = [], allowedRepositories } = policy;
  if (requiredConstraints.length === 0 && allowedRepositories === undefined) return [];
  const judge = (own: Constraints, workflows: Constraints) => judgePlace(narrowConstraints(own, workflows), policy);
  const isShort = countPatterns(constraints) + countPatterns(workflowConstraints) <= FEW_PATTERNS;
  if (isShort) return judge(constraints, workflowConstraints);
  const kinds = new Set<ConstraintKind>([...requiredConstraints, ...(allowedRepositories ? REPOSITORIES : [])]);
  const [own, workflows] = [kindsOf(constraints, kinds), kindsOf(workflowConstraints, kinds)];
  const facts = [own, workflows, requiredConstraints, allowedRepositories ?? null];
  return remembered(facts, () => judge(own, workflows));
}

const REPOSITORIES: readonly ConstraintKind[] = ['repositories'];

function kindsOf(constraints: Constraints, kinds: ReadonlySet<ConstraintKind>): Constraints {
  return Object.fromEntries([...kinds].map((kind) => [kind, constraints[kind]]));
}

function countPatterns(constraints: Constraints): number {
  return Object.values(constraints).reduce((sum, patterns) => sum + (patterns?.length ?? 0), 0);
}

function judgePlace(place: Constraints, policy: WorkspacePolicy): PolicyFault[] {
  const { requiredConstraints = [], allowedRepositories } = policy;
  const missing = requiredConstraints.filter((kind) => !isConstrained(kind, place[kind]));
  const wider = allowedRepositories ? widerKinds(place, { repositories: allowedRepositories }) : [];
  return [
    ...missing.map((kind): PolicyFault => {
      const detail = `the workspace's policy asks for a bound on ${kind} that is narrower than everything`;
      return { rule: 'required_constraints', path: ['constraints', kind], detail };
    }),
    ...wider.map((kind): PolicyFault => {
      const detail = `reaches repositories beyond those that the workspace's policy allows`;
      return { rule: 'allowed_repositories', path: ['constraints', kind], detail };
    }),
  ];
}

/** Whether patterns bound anything: one that lets everything through opens the whole list. */
function isConstrained(kind: ConstraintKind, patterns: readonly string[] | undefined): boolean {
  return patterns?.every((pattern) => !isEverything(kind, pattern)) === true;
}

function isEverything(kind: ConstraintKind, pattern: string): boolean {
  if (kind === 'networks') return parseCidr(pattern)?.bits === 0;
  return /^[*/]+$/.test(kind === 'refs' ? pattern.replace(/^refs\//, '') : pattern);
}

function minterFaults(role: Role, { minters }: WorkspacePolicy): PolicyFault[] {
  if (minters === undefined || role === 'owner' || minters.some((minter) => minter === role)) return [];
  const detail = `the workspace's policy lets nobody of the role ${role} have tokens for workflows`;
  return [{ rule: 'minters', path: [], detail }];
}
