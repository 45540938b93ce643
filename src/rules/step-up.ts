import { type Role, roleScopes } from './role.js';
import { type ServiceScope, serviceScopesIn } from './scope.js';
import type { TokenFacts } from './token.js';
import { SERVICE_WORKFLOW } from './workflow.js';

/** Where a token's wish to do something dangerous stands. RFC 9470. */
export type StepUpStatus = 'pending' | 'confirmed' | 'denied';

/** How long a confirmation is good for, in seconds: the `max_age` of RFC 9470 section 3. */
export const STEP_UP_SECONDS = 300;

/** How long a token's wish waits for its person, and how often its holder may ask about it, in seconds. */
export const STEP_UP_WAIT_SECONDS = 600;
export const STEP_UP_POLL_SECONDS = 2;

/** What is asked, in characters. */
export const MAX_ACT_LENGTH = 300;

/** Whether a token is one that a person signed in with, so that the person can be asked. */
export function isSignIn({ kind, workflowLabel }: Pick<TokenFacts, 'kind' | 'workflowLabel'>): boolean {
  return kind === 'access' && workflowLabel === SERVICE_WORKFLOW;
}

// Each opens what is asked about: who may do what, revoking many at once, trust rules.
const GUARDED: readonly ServiceScope[] = ['workspace:admin', 'members:write', 'workflows:write', 'tokens:revoke'];

/** Whether a token with these scopes could do what its person would be asked about: then it is not made without its person. */
export function areGuarded(scopes: readonly string[]): boolean {
  return scopes.some((scope) => serviceScopesIn(scope).some((own) => GUARDED.includes(own)));
}

/** Whether whoever has a role decides who may do what: by its sign-in tokens, nobody need mint one. */
export function isGuardedRole(role: Role): boolean {
  return roleScopes(role).includes('members:write');
}
