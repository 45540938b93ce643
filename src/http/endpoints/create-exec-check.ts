import { type Denial, type ExecRequest, execDenials } from '../../rules/exec-check.js';
import { type CheckId, findTokens, newId, printId } from '../../rules/format.js';
import { INACTIVE, type Introspection, introspect } from '../../rules/introspection.js';
import { addSeconds } from '../../rules/lifetime.js';
import { accept, invalid, type Result } from '../../rules/refusal.js';
import { leaseEnd } from '../../rules/run.js';
import type { TokenFacts } from '../../rules/token.js';
import type { StoredToken } from '../../store/lookup.js';
import { type ExecCheckBody, execCheckOperation } from '../../wire/exec-checks.js';
import type { ExecDecision } from '../../wire/resources.js';
import { authorize, callerOf, printedToken } from '../authenticate.js';
import { readJson } from '../body.js';
import type { Deps } from '../deps.js';
import { jsonAnswer, parseQuery, parseWith, type Route } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { scrub } from '../log.js';
import { findBoth, useToken } from '../presented.js';

/** Decides whether a job may start. The caller and the token in question are read in the same statement; the decision is
 *  committed before it is answered. */
export const createExecCheckRoute: Route = {
  operation: execCheckOperation,
  handle: async (deps, exchange) => {
    const body = await readCheck(exchange);
    const printed = printedToken(exchange.header('authorization')) ?? '';
    const other = body.ok ? body.value.token : undefined;
    const presented = await findBoth(deps, printed, other);
    const caller = await callerOf(deps, exchange, presented.caller);
    if (!caller.ok) return caller;
    if (!body.ok) return body;
    if (other !== undefined) {
      const allowed = authorize(caller.value, 'exec:check');
      if (!allowed.ok) return allowed;
    }
    const subject = other === undefined ? presented.caller : presented.subject;
    const decision = await decide(deps, exchange, caller.value, subject, body.value);
    return accept(jsonAnswer({ status: 200, body: decision }));
  },
};

async function readCheck(exchange: Exchange): Promise<Result<ExecCheckBody>> {
  const query = parseQuery(exchange, execCheckOperation);
  if (!query.ok) return query;
  const json = await readJson(exchange, false);
  if (!json.ok) return json;
  const body = parseWith(execCheckOperation.body, json.value);
  if (!body.ok) return body;
  const misplaced = body.value.scopes.findIndex((scope) => findTokens(scope).length > 0);
  return misplaced < 0 ? body : invalid(['scopes', misplaced], 'must not hold a token');
}

async function decide(
  deps: Deps,
  exchange: Exchange,
  caller: TokenFacts,
  subject: StoredToken | undefined,
  body: ExecCheckBody,
): Promise<Omit<ExecDecision, 'token'> & { readonly token: Introspection }> {
  const { now } = exchange;
  const facts = await usable(deps, exchange, caller, subject);
  const denials = execDenials(facts, caller, requestOf(body, caller, exchange.ip), now);
  const isAllowed = facts !== undefined && denials.length === 0;
  const validUntil = isAllowed ? addSeconds(now, facts.maxRunSeconds) : undefined;
  const leaseEndsAt = validUntil && leaseEnd(now, body.lease_seconds, validUntil);
  const id = newId('chk', now);
  await record(deps, exchange, { id, caller, subject, body, denials, validUntil, leaseEndsAt });
  deps.metrics.execCheck(isAllowed ? 'allow' : 'deny');
  return {
    check_id: printId('chk', id),
    decision: isAllowed ? 'allow' : 'deny',
    reasons: denials.map((denial) => ({ ...denial })),
    as_of: now.toISOString(),
    token: facts === undefined ? INACTIVE : introspect(facts, caller, deps.issuer, now),
    valid_until: validUntil?.toISOString() ?? null,
    run_id: isAllowed ? printId('run', id) : null,
    lease_ends_at: leaseEndsAt?.toISOString() ?? null,
  };
}

/** The token's facts, if it may be used: its use is on record then. */
async function usable(
  deps: Deps,
  exchange: Exchange,
  caller: TokenFacts,
  subject: StoredToken | undefined,
): Promise<TokenFacts | undefined> {
  if (subject === undefined || subject.facts.workspaceId !== caller.workspaceId) return undefined;
  // What asks about itself was used when it authenticated.
  if (subject.facts.id === caller.id) return subject.facts;
  const where = { ip: exchange.ip, by: caller.id, requestId: exchange.requestId };
  return (await useToken(deps, subject, where, exchange.now)) ? subject.facts : undefined;
}

/** What is asked, as the rules take it. The runner is that of the caller, who has proven it; the job's own token proves
 *  none. */
function requestOf(body: ExecCheckBody, { runner }: TokenFacts, address: string | undefined): ExecRequest {
  const { repository, ref, environment } = body.context;
  return { workflow: body.workflow, scopes: body.scopes, context: { repository, ref, environment, runner, address } };
}

interface Decided {
  readonly id: CheckId;
  readonly caller: TokenFacts;
  readonly subject: StoredToken | undefined;
  readonly body: ExecCheckBody;
  readonly denials: readonly Denial[];
  readonly validUntil: Date | undefined;
  readonly leaseEndsAt: Date | undefined;
}

function record(deps: Deps, exchange: Exchange, decided: Decided): Promise<void> {
  const { id, caller, subject, body, denials, validUntil, leaseEndsAt } = decided;
  const isOwn = subject?.facts.workspaceId === caller.workspaceId;
  return deps.checkLog.record({
    id,
    workspaceId: caller.workspaceId,
    decision: validUntil === undefined ? 'deny' : 'allow',
    reasons: denials,
    asOf: exchange.now,
    validUntil,
    tokenId: isOwn ? subject.facts.id : undefined,
    callerTokenId: caller.id,
    runnerId: caller.runner?.id,
    workflow: body.workflow,
    scopes: body.scopes,
    context: scrubbed(body.context),
    ip: exchange.ip,
    lease: leaseEndsAt && { seconds: body.lease_seconds, endsAt: leaseEndsAt },
  });
}

/** A command line may hold a token; the database may not. */
function scrubbed(context: ExecCheckBody['context']): Record<string, string> {
  const said = Object.entries(context).flatMap(([key, value]) => (value === undefined ? [] : [[key, scrub(value)]]));
  return Object.fromEntries(said);
}
