import { parsePublicId, printId, type RunnerId } from '../../rules/format.js';
import { runnerFault } from '../../rules/grant.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import type { TokenFacts } from '../../rules/token.js';
import {
  describeRunner,
  findRunner,
  listRunners,
  type RunnerChange,
  type RunnerView,
  reactivateRunner,
  removeRunner,
  suspendRunner,
} from '../../store/runners.js';
import {
  listRunnersOperation,
  patchRunnerOperation,
  reactivateRunnerOperation,
  removeRunnerOperation,
  showRunnerOperation,
  suspendRunnerOperation,
} from '../../wire/runners.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint, originOf, type Reply } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentRunner } from '../present.js';
import { actorOf, grantorOf, runnerIdOf } from '../visible.js';

export const listRunnersRoute = endpoint(listRunnersOperation, async (deps, { caller, query }) => {
  const after = readCursor('runners', query.cursor, (text) => parsePublicId('rnr', text));
  if (!after.ok) return after;
  const views = await listRunners(deps.db, caller.workspaceId, { limit: query.limit + 1, after: after.value });
  const place = ({ runner }: RunnerView) => printId('rnr', runner.id);
  return accept({ status: 200, body: pageOf('runners', views, query.limit, place, presentRunner) });
});

export const showRunnerRoute = endpoint(showRunnerOperation, async (deps, call) => {
  const id = runnerIdOf(call, call.caller);
  const view = id && (await findRunner(deps.db, call.caller.workspaceId, id));
  return view ? accept({ status: 200, body: presentRunner(view) }) : refuse({ kind: 'not_found' });
});

/** Names a runner anew, for who could approve it under that name. */
export const patchRunnerRoute = endpoint(patchRunnerOperation, async (deps, call) => {
  const fault = runnerFault(grantorOf(call.caller));
  if (fault !== undefined) return refuse({ kind: 'not_allowed', detail: fault });
  return changed(call, call.caller, (change) => describeRunner(deps.db, change, call.body));
});

export const suspendRunnerRoute = endpoint(suspendRunnerOperation, (deps, call) =>
  changed(call, call.caller, (change) => suspendRunner(deps.db, change)),
);

export const reactivateRunnerRoute = endpoint(reactivateRunnerOperation, (deps, call) =>
  changed(call, call.caller, (change) => reactivateRunner(deps.db, change)),
);

/** A runner may always remove itself: what leaves needs nobody's leave. */
export const removeRunnerRoute = endpoint(removeRunnerOperation, async (deps, call) => {
  const removed = await changed(call, call.caller, (change) => removeRunner(deps.db, change));
  return removed.ok ? accept({ status: 204 }) : removed;
});

async function changed(
  exchange: Exchange,
  caller: TokenFacts,
  act: (change: RunnerChange) => Promise<Result<RunnerView>>,
): Promise<Result<Reply>> {
  const id: RunnerId | undefined = runnerIdOf(exchange, caller);
  if (id === undefined) return refuse({ kind: 'not_found' });
  const origin = originOf(caller, exchange);
  const outcome = await act({ workspaceId: caller.workspaceId, id, actor: actorOf(caller), origin, now: exchange.now });
  return outcome.ok ? accept({ status: 200, body: presentRunner(outcome.value) }) : outcome;
}
