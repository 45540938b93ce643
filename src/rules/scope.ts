/** The scopes that open this service's own endpoints. `workspace:admin` covers all of them. */
export const SERVICE_SCOPES = [
  'tokens:read',
  'tokens:mint',
  'tokens:rotate',
  'tokens:revoke',
  'tokens:introspect',
  'workflows:read',
  'workflows:write',
  'members:read',
  'members:write',
  'runners:read',
  'runners:write',
  'exec:check',
  'audit:read',
  'workspace:admin',
] as const;
export type ServiceScope = (typeof SERVICE_SCOPES)[number];

const MAX_SCOPE_LENGTH = 128;
// RFC 6749 section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Whether a text is a scope: an RFC 6749 section 3.3 scope-token of 2 or more non-empty parts, 128 characters at most,
 *  where `*` stands only as the whole last part. */
export function isScope(text: string): boolean {
  if (text.length > MAX_SCOPE_LENGTH || !SCOPE_TOKEN.test(text)) return false;
  const parts = text.split(':');
  return parts.length >= 2 && parts.every((part, at) => isScopePart(part, at === parts.length - 1));
}

function isScopePart(part: string, isLast: boolean): boolean {
  return part === '*' ? isLast : part !== '' && !part.includes('*');
}

/** Whether holding `held` includes `wanted`. `repo:*` covers `repo:read`, `repo:pull:write` and `repo:pull:*`, not
 *  `repo`. `workspace:admin`, and so `workspace:*`, covers every service scope, but no wildcard of them: below one there
 *  are agent scopes too. */
export function coversScope(held: string, wanted: string): boolean {
  return namesScope(held, wanted) || (isServiceScope(wanted) && namesScope(held, 'workspace:admin'));
}

function namesScope(held: string, wanted: string): boolean {
  return held === wanted || (held.endsWith(':*') && wanted.startsWith(held.slice(0, -1)));
}

/** Whether one of the held scopes covers the wanted one. */
export function holdsScope(held: readonly string[], wanted: string): boolean {
  return held.some((scope) => coversScope(scope, wanted));
}

/** Whether a scope is one of the service's own. A wildcard is none, though it may reach some. */
export function isServiceScope(scope: string): scope is ServiceScope {
  return SERVICE_SCOPES.some((own) => own === scope);
}

/** The service scopes that a scope stands for: itself, or those below its wildcard. Empty for an agent scope. */
export function serviceScopesIn(scope: string): ServiceScope[] {
  return SERVICE_SCOPES.filter((own) => own === scope || (scope.endsWith(':*') && own.startsWith(scope.slice(0, -1))));
}
