import { widerKinds } from '../rules/constraint.js';
import { mayHandOn } from '../rules/grant.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { coversRole } from '../rules/role.js';
import { serviceScopesIn } from '../rules/scope.js';
import type { TokenFacts } from '../rules/token.js';
import type { TokenView } from '../store/tokens.js';
import { grantorOf } from './visible.js';

/** Whether a caller may get the secret of a token, or let it be good again. A token acts with its creator's role, cut by its
 *  scopes: what of that reaches this service must be the caller's too. */
export function mayBeEntrusted(caller: TokenFacts, { token, creator }: TokenView): Result<undefined> {
  if (token.id === caller.id) return accept(undefined);
  if (token.kind === 'runner') {
    return refuse({
      kind: 'not_allowed',
      detail: "a runner's token is bound to its key: only the runner itself rotates it",
    });
  }
  const grantor = grantorOf(caller);
  const beyond = token.scopes.filter((scope) => !mayHandOn(grantor, scope));
  if (beyond.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the token holds ${beyond.join(', ')}, the calling one does not` });
  }
  const opensService = token.scopes.some((scope) => serviceScopesIn(scope).length > 0);
  if (opensService && !coversRole(caller.creatorRole, creator.role)) {
    return refuse({
      kind: 'not_allowed',
      detail: `the token acts as an ${creator.role}, which the calling one may not`,
    });
  }
  if (widerKinds(token.constraints, grantor.constraints).length > 0) {
    return refuse({ kind: 'not_allowed', detail: 'the calling token is bound to a narrower place' });
  }
  return accept(undefined);
}
