import { coversScope, SERVICE_SCOPES, type ServiceScope } from './scope.js';

export const ROLES = ['owner', 'admin', 'member', 'auditor'] as const;
export type Role = (typeof ROLES)[number];

const ROLE_SCOPES: Record<Role, readonly ServiceScope[]> = {
  owner: SERVICE_SCOPES,
  admin: SERVICE_SCOPES,
  member: ['tokens:read', 'tokens:mint', 'tokens:rotate', 'tokens:revoke', 'workflows:read'],
  auditor: ['tokens:read', 'tokens:introspect', 'workflows:read', 'members:read', 'runners:read', 'audit:read'],
};

/** The service scopes that a role can ever use or grant; a token's own scopes narrow them further. */
export function roleScopes(role: Role): readonly ServiceScope[] {
  return ROLE_SCOPES[role];
}

/** The scopes of the token that a member of this role signs in with. */
export function signInScopes(role: Role): readonly ServiceScope[] {
  return ROLE_SCOPES[role].includes('workspace:admin') ? ['workspace:admin'] : ROLE_SCOPES[role];
}

/** Whether a member of `role` who holds a token with `scopes` may use a service scope: the role allows it and the
 *  token covers it. */
export function mayUse(role: Role, scopes: readonly string[], wanted: ServiceScope): boolean {
  return ROLE_SCOPES[role].includes(wanted) && scopes.some((held) => coversScope(held, wanted));
}

/** Whether a role reaches beyond its own tokens: members see and change only what they made or own. */
export function seesAllTokens(role: Role): boolean {
  return role !== 'member';
}

/** Whether `actor` may bring a person in with this role. An owner gives any role; an admin gives the lower two. */
export function mayGrantRole(actor: Role, granted: Role): boolean {
  return actor === 'owner' || (actor === 'admin' && (granted === 'member' || granted === 'auditor'));
}

/** Whether `actor` may move a person from one role to another: both must be theirs to give. */
export function mayChangeRole(actor: Role, from: Role, to: Role): boolean {
  return mayGrantRole(actor, from) && mayGrantRole(actor, to);
}

/** Whether `actor` may suspend, reactivate, remove or rename a person: an admin everyone but an owner. */
export function mayManage(actor: Role, target: Role): boolean {
  return actor === 'owner' || (actor === 'admin' && target !== 'owner');
}

/** Whether a role may do all that another may. Member and auditor cannot do each other's. */
export function coversRole(role: Role, other: Role): boolean {
  return role === other || role === 'owner' || (role === 'admin' && other !== 'owner');
}
