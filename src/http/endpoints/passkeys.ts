import { parsePublicId, printId } from '../../rules/format.js';
import { DEFAULT_PASSKEY_NAME, MAX_PASSKEYS } from '../../rules/passkey.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { mayManage, mayUse } from '../../rules/role.js';
import { isSignIn } from '../../rules/step-up.js';
import type { TokenFacts } from '../../rules/token.js';
import { findPasskey, listPasskeys, type PasskeyOfMember, removePasskey } from '../../store/passkeys.js';
import { addPasskeyOperation, listPasskeysOperation, removePasskeyOperation } from '../../wire/passkeys.js';
import { authorize } from '../authenticate.js';
import { endpoint, originOf } from '../endpoint.js';
import { makeLink } from '../passkey-link.js';
import { presentPasskey } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { actorOf } from '../visible.js';

export const listPasskeysRoute = endpoint(listPasskeysOperation, async (deps, { caller, query }) => {
  const memberId = query.member === undefined ? caller.creatorId : parsePublicId('mem', query.member);
  if (!(memberId === caller.creatorId && isSignIn(caller))) {
    const allowed = authorize(caller, 'members:read');
    if (!allowed.ok) return allowed;
  }
  const rows = memberId === undefined ? [] : await listPasskeys(deps.db, caller.workspaceId, memberId);
  return accept({ status: 200, body: { data: rows.map(presentPasskey), next_cursor: null } });
});

/** Gives the link to add a passkey of one's own. The first one needs nothing else; it is a person's way in. */
export const addPasskeyRoute = endpoint(addPasskeyOperation, async (deps, call) => {
  const { caller, body, now } = call;
  if (!isSignIn(caller)) {
    return refuse({ kind: 'not_allowed', detail: 'a passkey is added with a token that a person signed in with' });
  }
  const confirmed = await requireStepUp(deps, caller, call, 'add another passkey to sign in and to confirm with');
  if (!confirmed.ok) return confirmed;
  const known = await listPasskeys(deps.db, caller.workspaceId, caller.creatorId);
  if (known.length >= MAX_PASSKEYS) {
    const detail = `a person may have ${MAX_PASSKEYS} passkeys at most: remove one first`;
    return refuse({ kind: 'conflict', code: 'passkey_state', detail });
  }
  const wanted = { name: body.name ?? DEFAULT_PASSKEY_NAME, isConfirmed: known.length > 0 };
  const { workspaceId, creatorId: memberId } = caller;
  const asker = { workspaceId, memberId, via: printId('tok', caller.id) };
  const { url, expiresAt } = await makeLink(deps, asker, wanted, now);
  return accept({ status: 201, body: { url, expires_at: expiresAt.toISOString() } });
});

export const removePasskeyRoute = endpoint(removePasskeyOperation, async (deps, call) => {
  const { caller } = call;
  const id = parsePublicId('pky', call.params['id'] ?? '');
  const found = id && (await findPasskey(deps.db, caller.workspaceId, id));
  if (found === undefined) return refuse({ kind: 'not_found' });
  const { passkey, member } = found;
  const allowed = mayRemove(caller, member);
  if (!allowed.ok) return allowed;
  const act = `remove the passkey ${passkey.name} of ${member.email}`;
  const confirmed = await requireStepUp(deps, caller, call, act);
  if (!confirmed.ok) return confirmed;
  const by = { actor: actorOf(caller), origin: originOf(caller, call) };
  const removed = await removePasskey(deps.db, passkey, by, call.now);
  return removed.ok ? accept({ status: 204 }) : removed;
});

/** One's own, or that of somebody whom one manages. Who may not change members learns nothing of the passkeys of others. */
function mayRemove(caller: TokenFacts, member: PasskeyOfMember['member']): Result<undefined> {
  if (member.id === caller.creatorId && isSignIn(caller)) return accept(undefined);
  if (!mayUse(caller.creatorRole, caller.scopes, 'members:write')) return refuse({ kind: 'not_found' });
  if (mayManage(caller.creatorRole, member.role)) return accept(undefined);
  const detail = `the role ${caller.creatorRole} may not change ${printId('mem', member.id)}`;
  return refuse({ kind: 'not_allowed', detail });
}
