import { printId } from '../../rules/format.js';
import { accept } from '../../rules/refusal.js';
import { chainHead, listEvents } from '../../store/events.js';
import { checkpointOperation, listAuditOperation } from '../../wire/audit.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint } from '../endpoint.js';
import { presentEvent } from '../present.js';

/** Events in the order of their chain. `after` and `cursor` both name a `seq`; the later one counts. */
export const listAuditEventsRoute = endpoint(listAuditOperation, async (deps, { caller, query }) => {
  const cursor = readCursor('events', query.cursor, (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined));
  if (!cursor.ok) return cursor;
  const rows = await listEvents(deps.db, caller.workspaceId, {
    after: Math.max(query.after ?? 0, cursor.value ?? 0),
    limit: query.limit + 1,
    action: query.action,
    target: query.target,
  });
  const page = pageOf('events', rows, query.limit, (row) => String(row.seq), presentEvent);
  return accept({ status: 200, body: page });
});

/** Signs the head of the chain, so that a log which was cut off shows. */
export const auditCheckpointRoute = endpoint(checkpointOperation, async (deps, { caller, now }) => {
  const head = await chainHead(deps.db, caller.workspaceId);
  const document = { workspace_id: printId('ws', caller.workspaceId), ...head, at: now.toISOString() };
  return accept({ status: 200, body: { checkpoint: await deps.signer.signDocument(document) } });
});
