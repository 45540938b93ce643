import { parsePublicId, printId } from '../../rules/format.js';
import { accept, type FieldError, pointerTo, type Result, refuse } from '../../rules/refusal.js';
import { decisionFault, type ToolDecisionRecord, takesDecisionsUntil } from '../../rules/tool-decision.js';
import { listToolDecisions, recordToolDecisions, type ToolDecisionRow } from '../../store/tool-decisions.js';
import {
  listToolDecisionsOperation,
  recordToolDecisionsOperation,
  type ToolDecisionBody,
} from '../../wire/tool-decisions.js';
import { readJson } from '../body.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint, jsonAnswer, parseQuery, parseWith, type Route } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { scrub } from '../log.js';
import { presentToolDecision } from '../present.js';
import { namedRun } from '../visible-run.js';

/** Puts what a guard decided on record. Its texts come from an agent, in part: they are cleaned rather than refused, so that
 *  no tool can be named in a way that keeps a whole batch off the record. */
export const recordToolDecisionsRoute: Route = {
  operation: recordToolDecisionsOperation,
  handle: async (deps, exchange) => {
    const found = await namedRun(deps, exchange, ['exec:check']);
    if (!found.ok) return found;
    const { run } = found.value;
    const decisions = await readDecisions(exchange);
    if (!decisions.ok) return decisions;
    const until = takesDecisionsUntil(run);
    if (exchange.now > until) {
      const detail = `the run is over; its decisions were taken until ${until.toISOString()}`;
      return refuse({ kind: 'conflict', code: 'run_state', detail });
    }
    const errors = decisions.value.flatMap((decision, at): FieldError[] => {
      const fault = decisionFault(decision, run, exchange.now);
      return fault ? [{ pointer: pointerTo(['decisions', at, fault.member]), detail: fault.detail }] : [];
    });
    if (errors.length > 0) return refuse({ kind: 'invalid', errors });
    const recorded = await recordToolDecisions(deps.db, run.workspaceId, run.id, decisions.value);
    return recorded.ok ? accept(jsonAnswer({ status: 200, body: { recorded: recorded.value } })) : recorded;
  },
};

export const listToolDecisionsRoute = endpoint(listToolDecisionsOperation, async (deps, call) => {
  const found = await namedRun(deps, call, ['exec:check', 'audit:read']);
  if (!found.ok) return found;
  const { run } = found.value;
  const { limit, decision, cursor } = call.query;
  const before = readCursor('tool-decisions', cursor, (text) => parsePublicId('dec', text));
  if (!before.ok) return before;
  const wanted = { limit: limit + 1, before: before.value, decision };
  const { rows, end } = await listToolDecisions(deps.db, run.workspaceId, run.id, wanted);
  const place = (row: ToolDecisionRow) => printId('dec', row.id);
  const page = pageOf('tool-decisions', rows, limit, place, presentToolDecision, end && printId('dec', end));
  return accept({ status: 200, body: page });
});

async function readDecisions(exchange: Exchange): Promise<Result<ToolDecisionRecord[]>> {
  const query = parseQuery(exchange, recordToolDecisionsOperation);
  if (!query.ok) return query;
  const json = await readJson(exchange, false);
  if (!json.ok) return json;
  const body = parseWith(recordToolDecisionsOperation.body, json.value);
  return body.ok ? accept(body.value.decisions.map(cleaned)) : body;
}

function cleaned({ id, at, event, tool, decision, code, rule, detail }: ToolDecisionBody): ToolDecisionRecord {
  return {
    id,
    at: new Date(at),
    event: recordable(event, 64),
    tool: tool === null ? undefined : recordable(tool, 256),
    decision,
    code: recordable(code, 64),
    rule: rule ?? undefined,
    detail: recordable(detail, 512),
  };
}

// Also of a token that was cut off before it came here.
const CUT_TOKEN = /cst_[0-9A-Za-z]{22}_[0-9A-Za-z]+/g;

/** A text as it may be stored and shown: without tokens, without what PostgreSQL cannot hold or a terminal would obey. */
function recordable(text: string, length: number): string {
  const safe = scrub(text).replace(CUT_TOKEN, (token) => `${token.slice(0, 26)}_***`);
  return safe
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
    .slice(0, length)
    .toWellFormed();
}
