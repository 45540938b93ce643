import { type Denial, type ExecRequest, execDenials, policyDenials } from '../../rules/exec-check.js';
import { findTokens, newId, printId } from '../../rules/format.js';
import { INACTIVE, type Introspection, introspect } from '../../rules/introspection.js';
import { addSeconds } from '../../rules/lifetime.js';
import { accept, invalid, type Result } from '../../rules/refusal.js';
import { leaseEnd } from '../../rules/run.js';
import type { TokenFacts } from '../../rules/token.js';
import type { NewCheck } from '../../store/checks.js';
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
  const held = facts === undefined && subject !== undefined ? policyDenials(subject.facts, caller, now) : [];
  const denials = held.length > 0 ? held : execDenials(facts, caller, requestOf(body, caller, exchange.ip), now);
  const asked = checkOf(exchange, { caller, subject, body, facts, denials });
  const check = await record(deps, asked, facts);
  if (check.decision === 'allow' && subject) {
    const by = subject.facts.id === caller.id ? undefined : caller.id;
    deps.useLog.note(subject, { at: now, ip: exchange.ip, by, checkId: check.id });
  }
  deps.metrics.execCheck(check.decision);
  return {
    check_id: printId('chk', check.id),
    decision: check.decision,
    reasons: check.reasons.map((reason) => ({ ...reason })),
    as_of: now.toISOString(),
    token: facts === undefined ? INACTIVE : introspect(facts, caller, deps.issuer, now),
    valid_until: check.validUntil?.toISOString() ?? null,
    run_id: check.lease === undefined ? null : printId('run', check.id),
    lease_ends_at: check.lease?.endsAt.toISOString() ?? null,
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

interface Asked {
  readonly caller: TokenFacts;
  readonly subject: StoredToken | undefined;
  readonly body: ExecCheckBody;
  readonly facts: TokenFacts | undefined;
  readonly denials: readonly Denial[];
}

function checkOf({ now, ip }: Exchange, { caller, subject, body, facts, denials }: Asked): NewCheck {
  const isOwn = subject?.facts.workspaceId === caller.workspaceId;
  const validUntil = facts && denials.length === 0 ? addSeconds(now, facts.maxRunSeconds) : undefined;
  const seconds = body.lease_seconds;
  return {
    id: newId('chk', now),
    workspaceId: caller.workspaceId,
    decision: validUntil === undefined ? 'deny' : 'allow',
    reasons: denials,
    asOf: now,
    validUntil,
    tokenId: isOwn ? subject.facts.id : undefined,
    callerTokenId: caller.id,
    runnerId: caller.runner?.id,
    workflow: body.workflow,
    scopes: body.scopes,
    context: scrubbed(body.context),
    ip,
    lease: validUntil && { seconds, endsAt: leaseEnd(now, seconds, validUntil) },
  };
}

/** Gives the decision as it is on record: where runs are limited, the limit has the last word. */
async function record(deps: Deps, check: NewCheck, facts: TokenFacts | undefined): Promise<NewCheck> {
  const { lease, tokenId } = check;
  if (lease && tokenId && facts?.isRunLimited) return await deps.admissions.admit({ ...check, tokenId });
  await deps.checkLog.record(check);
  return check;
}

/** A command line may hold a token; the database may not. */
function scrubbed(context: ExecCheckBody['context']): Record<string, string> {
  const said = Object.entries(context).flatMap(([key, value]) => (value === undefined ? [] : [[key, scrub(value)]]));
  return Object.fromEntries(said);
}
