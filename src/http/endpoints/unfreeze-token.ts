import { printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { roleScopes } from '../../rules/role.js';
import { areGuarded } from '../../rules/step-up.js';
import { mayCreatorUnfreeze } from '../../rules/unused.js';
import { unfreezeToken } from '../../store/unfreeze.js';
import { unfreezeTokenOperation } from '../../wire/leavers.js';
import { endpoint, originOf } from '../endpoint.js';
import { mayBeEntrusted } from '../entrusted.js';
import { presentToken } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { actorOf, visibleToken } from '../visible.js';

/** Thaws one token, deliberately. Where its creator had left, somebody else has to, so that nobody who comes back brings
 *  anything back. */
export const unfreezeTokenRoute = endpoint(unfreezeTokenOperation, async (deps, call) => {
  const { caller, now } = call;
  const view = await visibleToken(deps, call, caller);
  if (!view.ok) return view;
  const { token } = view.value;
  if (!roleScopes(caller.creatorRole).includes('workspace:admin')) {
    return refuse({ kind: 'not_allowed', detail: 'an owner or an admin has to unfreeze it' });
  }
  if (token.creatorId === caller.creatorId && !mayCreatorUnfreeze(token.frozenReason)) {
    return refuse({ kind: 'not_allowed', detail: 'somebody else than its creator has to unfreeze it' });
  }
  const entrusted = mayBeEntrusted(caller, view.value);
  if (!entrusted.ok) return entrusted;
  if (areGuarded(token.scopes)) {
    const act = `unfreeze ${printId('tok', token.id)} of ${token.workflow} with ${token.scopes.join(' ')}`;
    const confirmed = await requireStepUp(deps, caller, call, act);
    if (!confirmed.ok) return confirmed;
  }
  const by = { actor: actorOf(caller), origin: originOf(caller, call) };
  const thawed = await unfreezeToken(deps.db, token, by, now);
  return thawed.ok ? accept({ status: 200, body: presentToken(thawed.value) }) : thawed;
});
