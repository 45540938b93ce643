import { parsePublicId, printId } from '../../rules/format.js';
import { accept, invalid, type Result } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import { REPORT_DAYS } from '../../rules/token-report.js';
import type { EndPlace } from '../../store/expiring.js';
import { type ReportedToken, reportExpiring, reportTokens, type SearchedReport } from '../../store/token-reports.js';
import { reportTokensOperation } from '../../wire/reports.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { type Call, endpoint, type Reply } from '../endpoint.js';
import { presentToken } from '../present.js';

type ReportCall = Call<typeof reportTokensOperation>;

/** Tokens that somebody should look at. Who sees all tokens gets all of them, a member those of its own. */
export const reportTokensRoute = endpoint(reportTokensOperation, async (deps, call) => {
  const { kind, days } = call.query;
  if (kind === 'expiring') return await soonestFirst(deps, call);
  if (days !== undefined && kind !== 'unused') return invalid(['days'], 'goes with unused and expiring');
  return await newestFirst(deps, call, kind);
});

async function newestFirst(deps: Deps, call: ReportCall, kind: SearchedReport): Promise<Result<Reply>> {
  const { caller, query, now } = call;
  const list = `report-${kind}`;
  const before = readCursor(list, query.cursor, (text) => parsePublicId('tok', text));
  if (!before.ok) return before;
  const asked = { ...askedOf(call), kind, before: before.value };
  const { rows, end } = await reportTokens(deps.db, caller.workspaceId, asked, now);
  const place = ({ view }: ReportedToken) => printId('tok', view.token.id);
  return accept({
    status: 200,
    body: pageOf(list, rows, query.limit, place, presentReported, end && printId('tok', end)),
  });
}

async function soonestFirst(deps: Deps, call: ReportCall): Promise<Result<Reply>> {
  const { caller, query, now } = call;
  const list = 'report-expiring';
  const after = readCursor(list, query.cursor, parsePlace);
  if (!after.ok) return after;
  const asked = { ...askedOf(call), after: after.value };
  const { found, end } = await reportExpiring(deps.db, caller.workspaceId, asked, now);
  const place = ({ view }: ReportedToken) => printPlace(view.token);
  return accept({
    status: 200,
    body: pageOf(list, found, query.limit, place, presentReported, end && printPlace(end)),
  });
}

function askedOf({ caller, query }: ReportCall) {
  const visibleTo = seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId;
  return { days: query.days ?? REPORT_DAYS, limit: query.limit + 1, visibleTo };
}

function presentReported({ view, why }: ReportedToken) {
  return { ...presentToken(view), why };
}

function printPlace({ expiresAt, id }: EndPlace): string {
  return `${expiresAt.getTime()}.${printId('tok', id)}`;
}

// No more digits than PostgreSQL has years for.
function parsePlace(text: string): EndPlace | undefined {
  const [, ms, printed = ''] = /^(\d{1,14})\.(tok_.*)$/.exec(text) ?? [];
  const id = parsePublicId('tok', printed);
  return ms === undefined || id === undefined ? undefined : { expiresAt: new Date(Number(ms)), id };
}
