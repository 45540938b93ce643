import { CONSTRAINT_KINDS, type Constraints, narrowConstraints } from './constraint.js';
import { printBusyId } from './format.js';
import { mayUse } from './role.js';
import { isActive, type TokenFacts } from './token.js';

/** The answer to an introspection, in the field's words (RFC 7662 section 2.2). Times are seconds since the epoch. */
export type Introspection = { readonly active: false } | ActiveIntrospection;

export interface ActiveIntrospection {
  readonly active: true;
  readonly iss: string;
  readonly sub: string;
  readonly username: string;
  readonly client_id: string;
  readonly scope: string;
  readonly token_type: 'Bearer' | 'DPoP';
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly workspace_id: string;
  readonly workspace: string;
  readonly workflow: string;
  readonly authorization_details: readonly AgentExecDetail[];
  readonly superseded_by?: string;
  /** The key that the token is bound to. RFC 9449 section 6.2. */
  readonly cnf?: { readonly jkt: string };
}

/** RFC 9396 section 2: where the token may be used. */
export interface AgentExecDetail extends Constraints {
  readonly type: 'agent_exec';
}

export const INACTIVE: Introspection = { active: false };

/** Whether a caller may ask about tokens of its workspace other than itself. */
export function mayIntrospect(caller: TokenFacts): boolean {
  return (
    mayUse(caller.creatorRole, caller.scopes, 'tokens:introspect') ||
    mayUse(caller.creatorRole, caller.scopes, 'exec:check')
  );
}

/** What a caller learns of a token whose secret was verified. Starts from inactive; only the last line says active.
 *  RFC 7662 section 2.2. */
export function introspect(
  subject: TokenFacts | undefined,
  caller: TokenFacts,
  issuer: string,
  now: Date,
): Introspection {
  if (subject === undefined) return INACTIVE;
  if (subject.workspaceId !== caller.workspaceId) return INACTIVE;
  if (!isActive(subject, now)) return INACTIVE;
  return describeActive(subject, issuer);
}

/** The active answer. Whoever calls it has decided already that the token is active. */
function describeActive(token: TokenFacts, issuer: string): ActiveIntrospection {
  const iat = epochSeconds(token.createdAt);
  const described: ActiveIntrospection = {
    active: true,
    iss: issuer,
    sub: printBusyId('mem', token.creatorId),
    username: token.creatorEmail,
    client_id: token.workflowLabel,
    scope: token.scopes.join(' '),
    token_type: token.jkt === undefined ? 'Bearer' : 'DPoP',
    iat,
    nbf: token.notBefore ? epochSeconds(token.notBefore) : iat,
    exp: epochSeconds(token.expiresAt),
    jti: printBusyId('tok', token.id),
    workspace_id: printBusyId('ws', token.workspaceId),
    workspace: token.workspaceSlug,
    workflow: token.workflowLabel,
    authorization_details: authorizationDetails(narrowConstraints(token.constraints, token.workflowConstraints)),
  };
  if (token.succession === undefined && token.jkt === undefined) return described;
  return {
    ...described,
    ...(token.succession ? { superseded_by: printBusyId('tok', token.succession.successorId) } : {}),
    ...(token.jkt === undefined ? {} : { cnf: { jkt: token.jkt } }),
  };
}

/** Constraints as RFC 9396 section 2 writes them: one entry, or none when nothing constrains. */
export function authorizationDetails(constraints: Constraints): AgentExecDetail[] {
  const isConstrained = CONSTRAINT_KINDS.some((kind) => constraints[kind] !== undefined);
  return isConstrained ? [{ type: 'agent_exec', ...constraints }] : [];
}

function epochSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000);
}
