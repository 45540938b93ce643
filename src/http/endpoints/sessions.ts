import { parsePublicId, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { mayManage, mayUse } from '../../rules/role.js';
import { isSignIn } from '../../rules/step-up.js';
import type { TokenFacts } from '../../rules/token.js';
import { findMember } from '../../store/members.js';
import { endSessionFor, findSessionById } from '../../store/session-ends.js';
import { listSessions, type SessionRow } from '../../store/sessions.js';
import { endSessionOperation, listSessionsOperation } from '../../wire/sessions.js';
import { authorize } from '../authenticate.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentSession } from '../present.js';
import { actorOf } from '../visible.js';

/** One's own sessions, or a member's. A token of a job knows nothing of its creator's. */
export const listSessionsRoute = endpoint(listSessionsOperation, async (deps, { caller, query, now }) => {
  const { workspaceId, creatorId } = caller;
  const before = readCursor('sessions', query.cursor, (text) => parsePublicId('ses', text));
  if (!before.ok) return before;
  const memberId = query.member === undefined ? creatorId : parsePublicId('mem', query.member);
  if (memberId !== creatorId || !isSignIn(caller)) {
    const may = authorize(caller, 'members:read');
    if (!may.ok) return may;
  }
  const member = memberId && (await findMember(deps.db, workspaceId, memberId));
  if (member === undefined) return refuse({ kind: 'not_found' });
  const page = { limit: query.limit + 1, before: before.value };
  const rows = await listSessions(deps.db, workspaceId, member.id, page);
  const place = (row: SessionRow) => printId('ses', row.id);
  const body = pageOf('sessions', rows, query.limit, place, (row) => presentSession(row, now));
  return accept({ status: 200, body });
});

/** Ends one's own session, or that of somebody whom one may manage. */
export const endSessionRoute = endpoint(endSessionOperation, async (deps, call) => {
  const { caller, params, now } = call;
  const id = parsePublicId('ses', params['id'] ?? '');
  const found = id && (await findSessionById(deps.db, caller.workspaceId, id));
  const may = await mayEnd(deps, caller, found);
  if (!may.ok) return may;
  const by = { actor: actorOf(caller), origin: originOf(caller, call) };
  const ended = await endSessionFor(deps.db, may.value.id, by, now);
  return ended.ok ? accept({ status: 204 }) : ended;
});

async function mayEnd({ db }: Deps, caller: TokenFacts, found: SessionRow | undefined): Promise<Result<SessionRow>> {
  if (found === undefined) return refuse({ kind: 'not_found' });
  if (found.memberId === caller.creatorId && isSignIn(caller)) return accept(found);
  if (!mayUse(caller.creatorRole, caller.scopes, 'members:read')) return refuse({ kind: 'not_found' });
  const may = authorize(caller, 'members:write');
  if (!may.ok) return may;
  const member = await findMember(db, found.workspaceId, found.memberId);
  if (member === undefined || !mayManage(caller.creatorRole, member.role)) {
    return refuse({ kind: 'not_allowed', detail: 'your role may not end the sessions of this member' });
  }
  return accept(found);
}
