import { parsePublicId, printId } from '../../rules/format.js';
import { accept, refuse } from '../../rules/refusal.js';
import { findRun, listRuns, type RunView, renewRun, stopRun } from '../../store/runs.js';
import { listRunsOperation, renewRunOperation, showRunOperation, stopRunOperation } from '../../wire/runs.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint, originOf } from '../endpoint.js';
import { presentRun } from '../present.js';
import { actorOf, reachesToken } from '../visible.js';
import { seesAllChecks } from '../visible-check.js';
import { namedRun } from '../visible-run.js';

/** Runs, newest first: all of the workspace for runners and auditors, otherwise those of the calling token. */
export const listRunsRoute = endpoint(listRunsOperation, async (deps, { caller, query, now }) => {
  const before = readCursor('runs', query.cursor, (text) => parsePublicId('run', text));
  if (!before.ok) return before;
  const seesAll = seesAllChecks(caller);
  const tokenId = query.token === undefined ? undefined : parsePublicId('tok', query.token);
  const isNothing = query.token !== undefined && (tokenId === undefined || (!seesAll && tokenId !== caller.id));
  if (isNothing) return accept({ status: 200, body: { data: [], next_cursor: null } });
  const { views, end } = await listRuns(
    deps.db,
    caller.workspaceId,
    {
      limit: query.limit + 1,
      status: query.status,
      before: before.value,
      workflow: query.workflow,
      tokenId: seesAll ? tokenId : caller.id,
    },
    now,
  );
  const place = (view: RunView) => printId('run', view.run.id);
  const present = (view: RunView) => presentRun(view, now);
  const page = pageOf('runs', views, query.limit, place, present, end && printId('run', end));
  return accept({ status: 200, body: page });
});

export const showRunRoute = endpoint(showRunOperation, async (deps, call) => {
  const found = await namedRun(deps, call, ['exec:check', 'audit:read']);
  return found.ok ? accept({ status: 200, body: presentRun(found.value, call.now) }) : found;
});

/** Renews a lease, for whoever may watch the run and tell its end. */
export const renewRunRoute = endpoint(renewRunOperation, async (deps, call) => {
  const found = await namedRun(deps, call, ['exec:check']);
  if (!found.ok) return found;
  const { run } = found.value;
  const renewed = await renewRun(deps.db, run.workspaceId, run.id, call.now);
  return renewed.ok ? accept({ status: 200, body: presentRun(renewed.value, call.now) }) : renewed;
});

/** Stops a run, for whoever may revoke its token. */
export const stopRunRoute = endpoint(stopRunOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const id = parsePublicId('run', call.params['id'] ?? '');
  const view = id && (await findRun(deps.db, caller.workspaceId, id));
  const tokenId = view?.run.tokenId;
  if (!view || !tokenId || !(await reachesToken(deps, caller, tokenId, now))) return refuse({ kind: 'not_found' });
  const cause = { reason: body.reason, actor: actorOf(caller), origin: originOf(caller, call) };
  const stopped = await stopRun(deps.db, view.run.id, cause, now);
  return stopped.ok ? accept({ status: 200, body: presentRun(stopped.value, now) }) : stopped;
});
