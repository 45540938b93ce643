import { type Constraints, narrowConstraints, widerKinds } from './constraint.js';
import { type Grantor, grantedConstraints, scopeFault } from './grant.js';
import type { FieldError, Refusal } from './refusal.js';
import { type Role, roleScopes } from './role.js';
import { holdsScope, serviceScopesIn } from './scope.js';
import type { MemberStatus } from './token.js';
import { type ClaimCheck, checkClaims, claimText, type TokenClaims } from './trust-claims.js';
import { narrowToPlace } from './trust-place.js';
import { isUnnamedOutsider, sharedPreset } from './trust-preset.js';
import type { TrustRule, TrustRuleTerms } from './trust-rule.js';
import { policyAllowsScope, type WorkflowPolicy } from './workflow.js';
import { policyFaults, type WorkspacePolicy } from './workspace-policy.js';

/** A rule and all that decides about it, read in one statement. */
export interface TrustFacts {
  readonly rule: TrustRule;
  readonly workspaceSlug: string;
  readonly isWorkspaceSuspended: boolean;
  readonly workspacePolicy: WorkspacePolicy | undefined;
  readonly isWorkflowPaused: boolean;
  readonly policy: Pick<WorkflowPolicy, 'allowedScopes' | 'constraints'>;
  readonly setter: { readonly role: Role; readonly status: MemberStatus };
}

/** What a rule says of a token's claims. `grant` is there when nothing speaks against it. */
export interface TrustVerdict {
  /** `iss`, `aud` and each claim of the rule. */
  readonly checks: readonly ClaimCheck[];
  /** Whether the rule means this token, whatever becomes of that. */
  readonly isMeant: boolean;
  /** What speaks against it beside the claims. */
  readonly reasons: readonly string[];
  readonly grant: { readonly scopes: readonly string[]; readonly constraints: Constraints } | undefined;
  /** What the workspace's policy has against the whole of the grant. It is asked again when a token is issued, of what was
   *  asked for and with the number of tokens that there are. */
  readonly policyFaults: readonly string[];
}

/** Judges claims by a rule as things stand now: whose they are, what they say, and whether whoever set the rule may still
 *  give what it gives. */
export function judgeClaims(facts: TrustFacts, claims: TokenClaims): TrustVerdict {
  const { rule, policy, setter } = facts;
  const checks = [...identityChecks(rule, claims), ...checkClaims(rule.claims, claims)];
  const within = narrowConstraints(rule.constraints, policy.constraints);
  const constraints = narrowToPlace(within, sharedPreset(rule.issuer) ?? rule.preset, claims);
  const unruled = rule.scopes.filter((scope) => !policyAllowsScope(policy, scope));
  const unheld = rule.scopes.filter((scope) => !mayStillGive(setter.role, scope));
  const isOutsider = isUnnamedOutsider(rule.issuer, rule.preset, rule.claims, claims);
  const isMeant = !isOutsider && checks.every(({ isMatch }) => isMatch);
  const reasons = [
    isOutsider && 'the job is for a pull request, a merge request or a fork, and the rule does not name that',
    constraints === undefined && 'the job’s repository, ref or environment lies outside of the constraints',
    facts.isWorkspaceSuspended && 'the workspace is suspended',
    facts.isWorkflowPaused && 'the workflow is paused',
    setter.status !== 'active' && 'whoever set the rule is not active',
    !maySetRules(setter.role) && 'whoever set the rule may not set rules any more',
    unruled.length > 0 && `the workflow does not allow ${unruled.join(', ')} any more`,
    unheld.length > 0 && `whoever set the rule may not give ${unheld.join(', ')} any more`,
  ].filter((reason) => reason !== false);
  const isGiven = isMeant && reasons.length === 0 && constraints !== undefined;
  const grant = isGiven ? { scopes: rule.scopes, constraints } : undefined;
  return { checks, isMeant, reasons, grant, policyFaults: grant ? beyondPolicy(facts, grant.constraints) : [] };
}

/** What the workspace's policy has against the token that would be given. */
function beyondPolicy({ rule, policy, setter, workspacePolicy }: TrustFacts, constraints: Constraints): string[] {
  if (workspacePolicy === undefined) return [];
  const token = {
    kind: 'access',
    workflowLabel: rule.workflow,
    workflowConstraints: policy.constraints,
    creatorRole: setter.role,
    scopes: rule.scopes,
    constraints,
    // How long it lives is what counts, not when.
    createdAt: new Date(0),
    expiresAt: new Date(rule.expiresInSeconds * 1000),
  } as const;
  return policyFaults(token, workspacePolicy).map(({ detail }) => detail);
}

/** Issuer and audience, exactly. An `aud` that names others beside is of a token that others may hold too: it is no match.
 *  RFC 7519 sections 4.1.1 and 4.1.3. */
function identityChecks({ issuer, audience }: TrustRuleTerms, claims: TokenClaims): ClaimCheck[] {
  const { iss, aud } = { iss: claimText(claims, 'iss'), aud: audienceOf(claims) };
  return [
    { claim: 'iss', expected: [issuer], found: iss, isMatch: iss === issuer },
    { claim: 'aud', expected: [audience], found: aud?.join(' '), isMatch: aud?.length === 1 && aud[0] === audience },
  ];
}

/** The audiences of a token; `undefined` when it says none, or anything but texts. */
export function audienceOf({ aud }: TokenClaims): readonly string[] | undefined {
  const list: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const texts = list.filter((one) => typeof one === 'string');
  return texts.length === list.length && texts.length > 0 ? texts : undefined;
}

/** Whether a role may set trust rules, and so be accountable for what they give. */
function maySetRules(role: Role): boolean {
  return roleScopes(role).includes('workflows:write');
}

function mayStillGive(role: Role, scope: string): boolean {
  return serviceScopesIn(scope).every((own) => roleScopes(role).includes(own));
}

/** What a rule may give, as its setter asks: the constraints, narrowed to the workflow's, or why not. It gives no more than
 *  the workflow allows, nor than the setter may hand on. */
export function decideRule(
  grantor: Grantor,
  policy: Pick<WorkflowPolicy, 'allowedScopes' | 'constraints'>,
  asked: Pick<TrustRuleTerms, 'scopes' | 'constraints'>,
): { readonly ok: true; readonly value: Constraints } | { readonly ok: false; readonly refusal: Refusal } {
  const faults = asked.scopes.map((scope) => scopeFault(grantor, policy, scope));
  const beyond = asked.scopes.filter((_, at) => faults[at] === 'grantor');
  const notAllowed = (detail: string) => ({ ok: false, refusal: { kind: 'not_allowed', detail } }) as const;
  if (beyond.length > 0) return notAllowed(`the calling token may not hand on ${beyond.join(', ')}`);
  const { constraints, widened } = grantedConstraints(asked.constraints, policy.constraints);
  const errors: FieldError[] = [
    ...asked.scopes.flatMap((scope, at) =>
      faults[at] === 'policy' ? [{ pointer: `#/scopes/${at}`, detail: `the workflow does not allow ${scope}` }] : [],
    ),
    ...widened.map((kind) => ({ pointer: `#/constraints/${kind}`, detail: "reaches beyond the workflow's" })),
  ];
  if (errors.length > 0) return { ok: false, refusal: { kind: 'invalid', errors } };
  const wider = widerKinds(constraints, grantor.constraints);
  if (wider.length > 0) return notAllowed(`the calling token is bound to narrower ${wider.join(', ')}`);
  return { ok: true, value: constraints };
}

/** The scopes that an exchange gets: what it asks for, within what the rule gives; all of that when it asks for nothing.
 *  `undefined` when it asks for more. RFC 8693 section 2.1, RFC 6749 section 3.3. */
export function narrowedScopes(given: readonly string[], asked: readonly string[] | undefined) {
  if (asked === undefined) return given;
  return asked.every((scope) => holdsScope(given, scope)) ? asked : undefined;
}
