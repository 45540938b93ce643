import { type MemberId, newId, printId, type RunnerId } from '../rules/format.js';
import { addDays, addSeconds } from '../rules/lifetime.js';
import { accept, invalid, type Result } from '../rules/refusal.js';
import { ENROLMENT_SECONDS, RUNNER_EXPIRY_DAYS, RUNNER_SCOPES, RUNNER_WORKFLOW } from '../rules/runner.js';
import { DEFAULT_MAX_RUN_SECONDS } from '../rules/workflow.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type EnrolmentRow, isOpen, lockEnrolment, updateEnrolment } from './enrolments.js';
import { type Origin, recordEvents } from './events.js';
import { drawSecret, insertToken } from './mint.js';
import { findRunner, type RunnerView, runnerExists } from './runners.js';
import { runners } from './schema.js';
import type { Secrets } from './secret.js';
import { insertWorkflow } from './workflows.js';
import type { Issuer } from './workspace-lock.js';

/** Who decides about an enrolment, and when. */
export interface Decider {
  readonly issuer: Issuer;
  readonly memberId: MemberId;
  readonly origin: Origin;
  readonly now: Date;
}

/** What an approver makes of an enrolment. */
export interface Approval {
  readonly name: string;
  readonly labels: readonly string[];
  readonly expiresInDays: number;
}

/** What the tokens of runners may be: no agent scope. */
const RUNNER_POLICY = {
  description: 'Tokens of trusted runners',
  allowedScopes: [],
  allowedExpiryDays: RUNNER_EXPIRY_DAYS,
  constraints: {},
  maxRunSeconds: DEFAULT_MAX_RUN_SECONDS,
  maxConcurrentRuns: undefined,
  maxConcurrentRunsPerToken: undefined,
};

/** Why no code is taken: the same for one that is mistyped, expired, used or tried too often. */
export function unknownCode() {
  return invalid(['user_code'], 'is not a code that waits: mistyped, expired, used, or tried too often');
}

/** Makes a runner of a host, and its token, whose secret nobody has until the host fetches one: so a revocation of
 *  everything that comes between ends it too. Refuses a name or a key that is in use. */
export async function approveEnrolment(
  db: Db,
  secrets: Secrets,
  enrolment: EnrolmentRow,
  approval: Approval,
  by: Decider,
): Promise<Result<RunnerView>> {
  const { now, issuer, origin } = by;
  const { workspaceId } = issuer;
  const minted = await drawSecret(secrets, newId('tok', now));
  return inTransaction(db, async (tx) => {
    const held = await lockOpen(tx, enrolment, by);
    if (!held.ok) return held;
    const runnerId = await insertRunner(tx, held.value, approval, by);
    if (runnerId === undefined) return runnerExists('a runner has this name already, or this key');
    await insertWorkflow(tx, workspaceId, RUNNER_WORKFLOW, RUNNER_POLICY, origin, now);
    const expiresAt = addDays(now, approval.expiresInDays);
    await insertToken(
      tx,
      minted,
      {
        workspaceId,
        kind: 'runner',
        workflow: RUNNER_WORKFLOW,
        creatorId: by.memberId,
        ownerId: by.memberId,
        name: approval.name,
        scopes: RUNNER_SCOPES,
        constraints: {},
        notBefore: null,
        expiresAt,
        expiresInDays: approval.expiresInDays,
        lineageId: minted.id,
        rotatedFrom: null,
        cnfJkt: held.value.jkt,
        runnerId,
      },
      now,
    );
    const fetchBy = addSeconds(now, ENROLMENT_SECONDS);
    await updateEnrolment(tx, enrolment.id, { status: 'approved', workspaceId, runnerId, expiresAt: fetchBy });
    const { name, labels } = approval;
    const facts = {
      name,
      labels,
      thumbprint: held.value.jkt,
      enrolment: printId('enr', enrolment.id),
      asked_from: held.value.ip,
    };
    const approved = { action: 'runner.approved', target: printId('rnr', runnerId), data: facts } as const;
    const terms = { workflow: RUNNER_WORKFLOW, scopes: RUNNER_SCOPES, expires_at: expiresAt.toISOString() };
    const mintedEvent = { action: 'token.minted', target: printId('tok', minted.id), data: terms } as const;
    await recordEvents(tx, workspaceId, origin, [approved, mintedEvent], now);
    const view = await findRunner(tx, workspaceId, runnerId);
    if (view === undefined) throw new Error('a runner is not there');
    return accept(view);
  });
}

/** Ends an enrolment: the host learns it when it asks next. */
export function denyEnrolment(db: Db, enrolment: EnrolmentRow, by: Decider): Promise<Result<undefined>> {
  return inTransaction(db, async (tx) => {
    const held = await lockOpen(tx, enrolment, by);
    if (!held.ok) return held;
    await updateEnrolment(tx, enrolment.id, { status: 'denied' });
    const data = { name: held.value.name, thumbprint: held.value.jkt };
    const event = { action: 'runner.denied', target: printId('enr', enrolment.id), data } as const;
    await recordEvents(tx, by.issuer.workspaceId, by.origin, [event], by.now);
    return accept(undefined);
  });
}

/** Locks the enrolment if it still waits and the calling token is still good. Of two who decide at once one does. */
async function lockOpen(tx: Tx, { id }: EnrolmentRow, { issuer, now }: Decider): Promise<Result<EnrolmentRow>> {
  const allowed = await lockForAct(tx, issuer, 'issue', 'runners:write');
  if (!allowed.ok) return allowed;
  const row = await lockEnrolment(tx, id);
  return row && isOpen(row, now) ? accept(row) : unknownCode();
}

async function insertRunner(
  tx: Tx,
  { jkt }: EnrolmentRow,
  { name, labels }: Approval,
  { issuer, memberId, now }: Decider,
): Promise<RunnerId | undefined> {
  const id = newId('rnr', now);
  const made = { createdAt: now, createdBy: memberId, status: 'active' } as const;
  const [row] = await tx
    .insert(runners)
    .values({ workspaceId: issuer.workspaceId, id, name, labels: [...labels], jkt, ...made })
    .onConflictDoNothing()
    .returning({ id: runners.id });
  return row?.id;
}
