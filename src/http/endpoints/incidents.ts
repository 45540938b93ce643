import { type IncidentId, type MemberId, parsePublicId, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import type { TokenFacts } from '../../rules/token.js';
import { listChecks } from '../../store/checks.js';
import { closeIncident, findIncident, type IncidentView, listIncidents } from '../../store/incidents.js';
import { findToken, lineageOf } from '../../store/tokens.js';
import { closeIncidentOperation, listIncidentsOperation, showIncidentOperation } from '../../wire/incidents.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentIncident, presentReport } from '../present-incident.js';
import { actorOf } from '../visible.js';

const SHOWN_USES = 50;
const SHOWN_SIBLINGS = 200;

export const listIncidentsRoute = endpoint(listIncidentsOperation, async (deps, { caller, query }) => {
  const before = readCursor('incidents', query.cursor, (text) => parsePublicId('inc', text));
  if (!before.ok) return before;
  const tokenId = query.token === undefined ? undefined : parsePublicId('tok', query.token);
  // An id that is too large for its width stands for nothing.
  if (query.token !== undefined && tokenId === undefined) {
    return accept({ status: 200, body: { data: [], next_cursor: null } });
  }
  const { status, limit } = query;
  const narrowed = { status, tokenId, limit: limit + 1, before: before.value, visibleTo: boundOf(caller) };
  const views = await listIncidents(deps.db, caller.workspaceId, narrowed);
  const place = ({ incident }: IncidentView) => printId('inc', incident.id);
  return accept({ status: 200, body: pageOf('incidents', views, limit, place, presentIncident) });
});

export const showIncidentRoute = endpoint(showIncidentOperation, async (deps, call) => {
  const view = await visibleIncident(deps, call, call.caller);
  return view.ok ? reported(deps, call, view.value) : view;
});

export const closeIncidentRoute = endpoint(closeIncidentOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const found = await visibleIncident(deps, call, caller);
  if (!found.ok) return found;
  const by = { actor: actorOf(caller), origin: originOf(caller, call) };
  const closed = await closeIncident(deps.db, found.value.incident.id, body.note, by, now);
  if (!closed.ok) return closed;
  const view = await visibleIncident(deps, call, caller);
  return view.ok ? reported(deps, call, view.value) : view;
});

/** Members see the incidents of what they made or own. */
function boundOf(caller: TokenFacts): MemberId | undefined {
  return seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId;
}

/** The incident that a path names, if the caller may see it. Refuses `not_found`. */
async function visibleIncident(deps: Deps, exchange: Exchange, caller: TokenFacts): Promise<Result<IncidentView>> {
  const id: IncidentId | undefined = parsePublicId('inc', exchange.params['id'] ?? '');
  const view = id && (await findIncident(deps.db, caller.workspaceId, id, boundOf(caller)));
  return view ? accept(view) : refuse({ kind: 'not_found' });
}

async function reported(deps: Deps, { now }: Exchange, view: IncidentView) {
  const { workspaceId, tokenId, lineageId } = view.incident;
  const [token, { rows }, lineage] = await Promise.all([
    findToken(deps.db, workspaceId, tokenId, now),
    listChecks(deps.db, workspaceId, { tokenId, limit: SHOWN_USES }),
    lineageOf(deps.db, workspaceId, lineageId, SHOWN_SIBLINGS + 1, now),
  ]);
  if (token === undefined) throw new Error('an incident without a token');
  const siblings = lineage.filter((one) => one.token.id !== tokenId).slice(0, SHOWN_SIBLINGS);
  return accept({ status: 200, body: presentReport(view, token, rows, siblings, now) });
}
