import { type EnrolmentId, parsePublicId, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { MAX_CODE_TRIES, POLL_SECONDS } from '../../rules/user-code.js';
import { type EnrolmentRow, findEnrolment, openEnrolment } from '../../store/enrolments.js';
import { ended, redeemEnrolment } from '../../store/runner-redemption.js';
import { enrolRunnerOperation, redeemEnrolmentOperation } from '../../wire/runners.js';
import { callerNetwork } from '../address.js';
import type { Deps } from '../deps.js';
import { provenKey } from '../dpop.js';
import { endpoint, placeOf, type Reply } from '../endpoint.js';
import { presentRunner } from '../present.js';
import { limitOf, spent } from '../rate-limit.js';

// Enrolments cost an argon2id each and need no credentials: so many a minute from one address, and from all together.
const fromOne = limitOf({ points: 20, duration: 60 });
const fromAll = limitOf({ points: 240, duration: 60 });
// Each costs a signature and a row, whoever sends it: a host needs two in an interval, one of them for a nonce.
const attempts = limitOf({ points: 20, duration: POLL_SECONDS });
// A little less than the interval, because a poll may be on its way longer than the one before.
const polls = limitOf({ points: 1, duration: POLL_SECONDS - 1 });

/** A host asks to become a runner, with a proof of the key that it wants to be known by. */
export const enrolRunnerRoute = endpoint(enrolRunnerOperation, async (deps, call) => {
  const limited = (await spent(fromOne(deps), callerNetwork(call.ip))) ?? (await spent(fromAll(deps), 'all'));
  if (limited) return limited;
  const key = await provenKey(deps, call, {});
  if (!key.ok) return key;
  const draft = { name: call.body.name, labels: call.body.labels, jkt: key.value, ip: call.ip ?? null };
  const opened = await openEnrolment(deps.db, deps.secrets, draft, call.now);
  if (!opened.ok) return opened;
  const { row, printed } = opened.value;
  return accept({
    status: 201,
    body: {
      id: printId('enr', row.id),
      user_code: printed,
      verification_uri: `${deps.issuer}/runners/approve`,
      expires_at: row.expiresAt.toISOString(),
      interval_seconds: POLL_SECONDS,
      thumbprint: row.jkt,
    },
  });
});

/** The host fetches its token. To who has not its key, there is no such enrolment. */
export const redeemEnrolmentRoute = endpoint(redeemEnrolmentOperation, async (deps, call) => {
  const id = parsePublicId('enr', call.params['id'] ?? '');
  const row = id && (await findEnrolment(deps.db, id));
  if (row === undefined) return refuse({ kind: 'not_found' });
  const limited = await spent(attempts(deps), row.id);
  if (limited) return limited;
  const key = await provenKey(deps, call, { jkt: row.jkt });
  if (!key.ok) return key;
  const isOver = row.expiresAt <= call.now || (row.status === 'pending' && row.tries >= MAX_CODE_TRIES);
  if (row.status === 'denied') return ended('the enrolment was denied');
  if (isOver) return ended('the enrolment has expired, or its code was typed wrongly too often');
  const { workspaceId, runnerId } = row;
  if (row.status === 'pending' || workspaceId === null || runnerId === null) return pending(deps, row.id);
  const place = placeOf(call);
  const redemption = { id: row.id, workspaceId, runnerId, place, arrivedAt: call.now, now: deps.now };
  return redeemed(deps, redemption);
});

async function redeemed(deps: Deps, redemption: Parameters<typeof redeemEnrolment>[2]): Promise<Result<Reply>> {
  const outcome = await redeemEnrolment(deps.db, deps.secrets, redemption);
  if (!outcome.ok) return outcome;
  const { view, tokenId, expiresAt, printed } = outcome.value;
  return accept({
    status: 200,
    body: {
      runner: presentRunner(view),
      token: printed,
      token_id: printId('tok', tokenId),
      expires_at: expiresAt.toISOString(),
    },
  });
}

/** RFC 8628 section 3.5: who asks too quickly is told to slow down. */
async function pending(deps: Deps, id: EnrolmentRow['id'] & EnrolmentId): Promise<Result<Reply>> {
  const limited = await spent(polls(deps), id);
  if (limited) return limited;
  const headers = { 'retry-after': String(POLL_SECONDS) };
  return accept({ status: 202, headers, body: { status: 'pending', interval_seconds: POLL_SECONDS } });
}
