import { printId } from '../rules/format.js';
import { runStatus } from '../rules/run.js';
import type { CheckRow } from '../store/checks.js';
import type { IncidentView } from '../store/incidents.js';
import type { TokenView } from '../store/tokens.js';
import type { Incident, IncidentReport, IncidentUse } from '../wire/incident-resources.js';
import { presentToken } from './present.js';

/** An incident as the wire shows it in a list. */
export function presentIncident({ incident, workflow }: IncidentView): Incident {
  return {
    id: printId('inc', incident.id),
    kind: incident.kind,
    status: incident.closedAt === null ? 'open' : 'closed',
    token_id: printId('tok', incident.tokenId),
    workflow,
    lineage_id: printId('tok', incident.lineageId),
    opened_at: incident.openedAt.toISOString(),
    last_seen_at: incident.lastSeenAt.toISOString(),
    times_seen: incident.timesSeen,
    token_was: incident.source.was,
    revoked: [...incident.source.revoked],
    closed_at: incident.closedAt?.toISOString() ?? null,
    closed_by: incident.closedBy,
    closed_note: incident.closedNote,
  };
}

/** All that is known of an incident, as the wire shows it. */
export function presentReport(
  view: IncidentView,
  token: TokenView,
  checks: readonly CheckRow[],
  siblings: readonly TokenView[],
  now: Date,
): IncidentReport {
  const askers = [token.token.lastUsedBy, ...checks.map((check) => check.callerTokenId)];
  const others = askers.flatMap((id) => (id === null || id === view.incident.tokenId ? [] : [printId('tok', id)]));
  return {
    ...presentIncident(view),
    token: presentToken(token),
    seen: view.incident.source.seen.map((sighting) => ({ ...sighting })),
    uses: checks.map((check) => presentUse(check, now)),
    asked_by: [...new Set(others)],
    siblings: siblings.map((sibling) => ({
      id: printId('tok', sibling.token.id),
      status: sibling.status,
      expires_at: sibling.token.expiresAt.toISOString(),
      last_used_at: sibling.token.lastUsedAt?.toISOString() ?? null,
    })),
  };
}

function presentUse(check: CheckRow, now: Date): IncidentUse {
  const { context, leaseEndsAt } = check;
  const said = (name: string) => context[name] ?? null;
  const status = check.runStatus;
  return {
    check_id: printId('chk', check.id),
    at: check.asOf.toISOString(),
    decision: check.decision,
    repository: said('repository'),
    ref: said('ref'),
    environment: said('environment'),
    job: said('job'),
    command: said('command'),
    ip: check.ip,
    runner_id: check.runnerId && printId('rnr', check.runnerId),
    caller_token_id: printId('tok', check.callerTokenId),
    run_status: status && leaseEndsAt ? runStatus({ runStatus: status, leaseEndsAt }, now) : status,
    finished_at: check.finishedAt?.toISOString() ?? null,
  };
}
