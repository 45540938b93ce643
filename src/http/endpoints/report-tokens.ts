import { parsePublicId, printId } from '../../rules/format.js';
import { accept, invalid } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import { REPORT_DAYS } from '../../rules/token-report.js';
import { type ReportedToken, reportTokens } from '../../store/token-reports.js';
import { reportTokensOperation } from '../../wire/reports.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint } from '../endpoint.js';
import { presentToken } from '../present.js';

/** Tokens that somebody should look at. Who sees all tokens gets all of them, a member those of its own. */
export const reportTokensRoute = endpoint(reportTokensOperation, async (deps, { caller, query, now }) => {
  const { kind, days, limit } = query;
  const speaksOfDays = kind === 'unused' || kind === 'expiring';
  if (days !== undefined && !speaksOfDays) return invalid(['days'], 'goes with unused and expiring');
  const list = `report-${kind}`;
  const before = readCursor(list, query.cursor, (text) => parsePublicId('tok', text));
  if (!before.ok) return before;
  const visibleTo = seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId;
  const asked = { kind, days: days ?? REPORT_DAYS, limit: limit + 1, before: before.value, visibleTo };
  const { rows, end } = await reportTokens(deps.db, caller.workspaceId, asked, now);
  const place = ({ view }: ReportedToken) => printId('tok', view.token.id);
  const present = ({ view, why }: ReportedToken) => ({ ...presentToken(view), why });
  return accept({ status: 200, body: pageOf(list, rows, limit, place, present, end && printId('tok', end)) });
});
