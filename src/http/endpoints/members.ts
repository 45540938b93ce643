import { type MemberId, parsePublicId, printId } from '../../rules/format.js';
import { mayHandOnRole } from '../../rules/grant.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { mayChangeRole, mayManage, type Role } from '../../rules/role.js';
import { isGuardedRole } from '../../rules/step-up.js';
import type { TokenFacts } from '../../rules/token.js';
import {
  type Change,
  findMember,
  listMembers,
  type MemberRow,
  reactivateMember,
  removeMember,
  setName,
  setRole,
  suspendMember,
} from '../../store/members.js';
import {
  listMembersOperation,
  patchMemberOperation,
  reactivateMemberOperation,
  removeMemberOperation,
  showMemberOperation,
  suspendMemberOperation,
} from '../../wire/members.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf, type Reply } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentMember } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { grantorOf } from '../visible.js';

type Asked = Exchange & { readonly caller: TokenFacts };

export const listMembersRoute = endpoint(listMembersOperation, async (deps, { caller, query }) => {
  const after = readCursor('members', query.cursor, (text) => parsePublicId('mem', text));
  if (!after.ok) return after;
  const rows = await listMembers(deps.db, caller.workspaceId, { limit: query.limit + 1, after: after.value });
  const page = pageOf('members', rows, query.limit, (row) => printId('mem', row.id), presentMember);
  return accept({ status: 200, body: page });
});

export const showMemberRoute = endpoint(showMemberOperation, async (deps, call) => {
  const id = memberIdOf(call);
  const row = id && (await findMember(deps.db, call.caller.workspaceId, id));
  return row ? accept({ status: 200, body: presentMember(row) }) : refuse({ kind: 'not_found' });
});

/** Changes a role, which must be the caller's to give, or a name. */
export const patchMemberRoute = endpoint(patchMemberOperation, async (deps, call) => {
  const change = changeOf(call, call.caller);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const { role, name } = call.body;
  if (role !== undefined) return changedRole(deps, call, change, role);
  return name === undefined ? refuse({ kind: 'not_found' }) : shown(await setName(deps.db, change, name));
});

export const suspendMemberRoute = endpoint(suspendMemberOperation, async (deps, call) => {
  const change = changeOf(call, call.caller);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const confirmed = await ownerConfirmed(deps, call, change, 'suspend');
  return confirmed.ok ? shown(await suspendMember(deps.db, change, 'suspended')) : confirmed;
});

export const reactivateMemberRoute = endpoint(reactivateMemberOperation, async (deps, call) => {
  const change = changeOf(call, call.caller);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const confirmed = await ownerConfirmed(deps, call, change, 'reactivate');
  return confirmed.ok ? shown(await reactivateMember(deps.db, change)) : confirmed;
});

export const removeMemberRoute = endpoint(removeMemberOperation, async (deps, call) => {
  const change = changeOf(call, call.caller);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const confirmed = await ownerConfirmed(deps, call, change, 'remove');
  if (!confirmed.ok) return confirmed;
  const removed = await removeMember(deps.db, change);
  return removed.ok ? accept({ status: 204 }) : removed;
});

async function changedRole(deps: Deps, call: Asked, change: Change, role: Role): Promise<Result<Reply>> {
  const { caller } = call;
  if (!mayHandOnRole(grantorOf(caller), role)) {
    return refuse({ kind: 'not_allowed', detail: `the calling token may not hand on what the role ${role} may do` });
  }
  const member = await findMember(deps.db, change.workspaceId, change.id);
  const isDangerous = member && member.role !== role && (member.role === 'owner' || isGuardedRole(role));
  if (isDangerous && mayChangeRole(caller.creatorRole, member.role, role)) {
    const confirmed = await requireStepUp(deps, caller, call, `make ${member.email}, ${member.role}, ${role}`);
    if (!confirmed.ok) return confirmed;
  }
  return shown(await setRole(deps.db, change, role));
}

/** Asks for a confirmation where an owner is to be changed, by one who may. */
async function ownerConfirmed(deps: Deps, call: Asked, change: Change, verb: string): Promise<Result<undefined>> {
  const member = await findMember(deps.db, change.workspaceId, change.id);
  if (member?.role !== 'owner' || !mayManage(call.caller.creatorRole, member.role)) return accept(undefined);
  return requireStepUp(deps, call.caller, call, `${verb} the owner ${member.email}`);
}

function changeOf(exchange: Exchange, caller: TokenFacts): Change | undefined {
  const id = memberIdOf(exchange);
  if (id === undefined) return undefined;
  const { workspaceId } = caller;
  const origin = originOf(caller, exchange);
  return { workspaceId, id, caller: { workspaceId, tokenId: caller.id }, origin, now: exchange.now };
}

function memberIdOf(exchange: Exchange): MemberId | undefined {
  return parsePublicId('mem', exchange.params['id'] ?? '');
}

function shown(outcome: Result<MemberRow>): Result<Reply> {
  return outcome.ok ? accept({ status: 200, body: presentMember(outcome.value) }) : outcome;
}
