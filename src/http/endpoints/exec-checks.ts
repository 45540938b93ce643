import { type CheckId, idFloor, parsePublicId, printId } from '../../rules/format.js';
import { accept, invalid, type Result, refuse } from '../../rules/refusal.js';
import type { ServiceScope } from '../../rules/scope.js';
import { type CheckRow, findCheck, finishCheck, listChecks } from '../../store/checks.js';
import {
  finishExecCheckOperation,
  listExecChecksOperation,
  showExecCheckOperation,
  watchExecCheckOperation,
} from '../../wire/exec-checks.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint, type Route } from '../endpoint.js';
import { eventStream, type StreamEvent } from '../event-stream.js';
import type { Exchange } from '../exchange.js';
import { presentCheck } from '../present.js';
import { seesAllChecks, shownTo } from '../visible-check.js';

/** Decisions, newest first: all of the workspace for runners and auditors, otherwise those of the calling token. */
export const listExecChecksRoute = endpoint(listExecChecksOperation, async (deps, { caller, query }) => {
  const before = readCursor('checks', query.cursor, (text) => parsePublicId('chk', text));
  if (!before.ok) return before;
  const seesAll = seesAllChecks(caller);
  const tokenId = query.token === undefined ? undefined : parsePublicId('tok', query.token);
  const isNothing = query.token !== undefined && (tokenId === undefined || (!seesAll && tokenId !== caller.id));
  if (isNothing) return accept({ status: 200, body: { data: [], next_cursor: null } });
  const after = query.after === undefined ? undefined : afterBound(query.after);
  if (query.after !== undefined && after === undefined) return invalid(['after'], 'is not the id of a check');
  const { rows, end } = await listChecks(deps.db, caller.workspaceId, {
    limit: query.limit + 1,
    before: before.value,
    after,
    workflow: query.workflow,
    tokenId: seesAll ? tokenId : caller.id,
    decision: query.decision,
  });
  const place = (row: CheckRow) => printId('chk', row.id);
  const page = pageOf('checks', rows, query.limit, place, presentCheck, end && printId('chk', end));
  return accept({ status: 200, body: page });
});

export const showExecCheckRoute = endpoint(showExecCheckOperation, async (deps, call) => {
  const found = await namedCheck(deps, call, ['exec:check', 'audit:read']);
  return found.ok ? accept({ status: 200, body: presentCheck(found.value) }) : found;
});

/** Puts the end of a job on record. The same end again changes nothing; another one is refused. */
export const finishExecCheckRoute = endpoint(finishExecCheckOperation, async (deps, call) => {
  const found = await namedCheck(deps, call, ['exec:check']);
  if (!found.ok) return found;
  if (found.value.decision === 'deny') return wrongState('the check was denied: nothing ran');
  const end = { exitCode: call.body.exit_code, signal: call.body.signal ?? null };
  const row = await finishCheck(deps.db, found.value.workspaceId, found.value.id, end, call.now);
  if (row === undefined) return refuse({ kind: 'not_found' });
  const isSame = row.exitCode === end.exitCode && row.signal === end.signal;
  return isSame ? accept({ status: 200, body: presentCheck(row) }) : wrongState('the check is finished already');
});

/** Server-Sent Events: the end of the right to run, at once. */
export const watchExecCheckRoute: Route = {
  operation: watchExecCheckOperation,
  handle: async (deps, exchange) => {
    const found = await namedCheck(deps, exchange, ['exec:check']);
    if (!found.ok) return found;
    const { id, decision, finishedAt, tokenId, workspaceId } = found.value;
    if (decision === 'deny' || tokenId === null) return wrongState('the check was denied: there is nothing to watch');
    if (finishedAt) return wrongState('the check is finished: there is nothing to watch');
    const open = (emit: (event: StreamEvent | undefined) => void) =>
      deps.watches.open({ workspaceId, id, tokenId }, ({ why, reason }) =>
        emit(why === 'closed' ? undefined : { name: why, data: reason === undefined ? {} : { reason } }),
      );
    return accept(eventStream(open, exchange.signal()));
  },
};

/** The check that a path names. */
function namedCheck(deps: Deps, exchange: Exchange, scopes: readonly ServiceScope[]): Promise<Result<CheckRow>> {
  const id = parsePublicId('chk', exchange.params['id'] ?? '');
  return shownTo(deps, exchange, scopes, async (workspaceId) => {
    const row = id && (await findCheck(deps.db, workspaceId, id));
    return row && { tokenId: row.tokenId, callerTokenId: row.callerTokenId, runnerId: row.runnerId, value: row };
  });
}

/** `after` is a check's id or a time: both are bounds over ids, which begin with their time. */
function afterBound(after: string): CheckId | undefined {
  return after.startsWith('chk_') ? parsePublicId('chk', after) : idFloor('chk', new Date(after));
}

function wrongState(detail: string) {
  return refuse({ kind: 'conflict', code: 'check_state', detail });
}
