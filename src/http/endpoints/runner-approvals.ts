import { printId } from '../../rules/format.js';
import { mayHandOn, runnerFault } from '../../rules/grant.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { DEFAULT_RUNNER_DAYS, RUNNER_SCOPES } from '../../rules/runner.js';
import type { TokenFacts } from '../../rules/token.js';
import { parseUserCode } from '../../rules/user-code.js';
import { type EnrolmentRow, enrolmentByCode } from '../../store/enrolments.js';
import { approveEnrolment, type Decider, denyEnrolment, unknownCode } from '../../store/runner-approval.js';
import { approveEnrolmentOperation, denyEnrolmentOperation, lookupEnrolmentOperation } from '../../wire/runners.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentRunner } from '../present.js';
import { exhausted, limitOf } from '../rate-limit.js';
import { grantorOf } from '../visible.js';

// Wrong codes in a minute from one member: enough for clumsy fingers, too few to try the codes of others to their end.
const misses = limitOf({ points: 20, duration: 60 });

export const lookupEnrolmentRoute = endpoint(lookupEnrolmentOperation, async (deps, call) => {
  const found = await named(deps, call, call.caller, call.body.user_code);
  if (!found.ok) return found;
  const row = found.value;
  return accept({
    status: 200,
    body: {
      id: printId('enr', row.id),
      name: row.name,
      labels: row.labels,
      ip: row.ip,
      thumbprint: row.jkt,
      created_at: row.createdAt.toISOString(),
      expires_at: row.expiresAt.toISOString(),
    },
  });
});

/** Makes a runner. Its token gets no right that is not the approver's to hand on. */
export const approveEnrolmentRoute = endpoint(approveEnrolmentOperation, async (deps, call) => {
  const { caller, body } = call;
  const grantor = grantorOf(caller);
  const beyond = RUNNER_SCOPES.filter((scope) => !mayHandOn(grantor, scope));
  if (beyond.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the calling token may not hand on ${beyond.join(', ')}` });
  }
  const fault = runnerFault(grantor);
  if (fault !== undefined) return refuse({ kind: 'not_allowed', detail: fault });
  const found = await named(deps, call, caller, body.user_code);
  if (!found.ok) return found;
  const approval = {
    name: body.name ?? found.value.name,
    labels: body.labels ?? found.value.labels,
    expiresInDays: body.expires_in_days ?? DEFAULT_RUNNER_DAYS,
  };
  const approved = await approveEnrolment(deps.db, deps.secrets, found.value, approval, deciderOf(caller, call));
  if (!approved.ok) return approved;
  deps.metrics.tokens('minted', 1);
  const headers = { location: `/v1/runners/${printId('rnr', approved.value.runner.id)}` };
  return accept({ status: 201, headers, body: presentRunner(approved.value) });
});

export const denyEnrolmentRoute = endpoint(denyEnrolmentOperation, async (deps, call) => {
  const found = await named(deps, call, call.caller, call.body.user_code);
  if (!found.ok) return found;
  const denied = await denyEnrolment(deps.db, found.value, deciderOf(call.caller, call));
  return denied.ok ? accept({ status: 204 }) : denied;
});

/** The enrolment that a user code names, to somebody who has not named too many wrong ones. */
async function named(deps: Deps, { now }: Exchange, caller: TokenFacts, text: string): Promise<Result<EnrolmentRow>> {
  const limited = await exhausted(misses(deps), caller.creatorId);
  if (limited) return limited;
  const code = parseUserCode(text);
  const row = code && (await enrolmentByCode(deps.db, deps.secrets, code, now));
  if (row) return accept(row);
  await misses(deps).penalty(caller.creatorId);
  return unknownCode();
}

function deciderOf(caller: TokenFacts, exchange: Exchange): Decider {
  return {
    issuer: { workspaceId: caller.workspaceId, tokenId: caller.id },
    memberId: caller.creatorId,
    origin: originOf(caller, exchange),
    now: exchange.now,
  };
}
