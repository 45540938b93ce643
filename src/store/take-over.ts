import { and, eq, isNull, ne } from 'drizzle-orm';
import { type MemberId, newId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import type { Grantor } from '../rules/grant.js';
import { addDays, earliest } from '../rules/lifetime.js';
import { accept, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { takenOver } from '../rules/take-over.js';
import type { WorkspacePolicy } from '../rules/workspace-policy.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { drawSecret, insertToken, type Minted } from './mint.js';
import { policyRefusal } from './policy-admission.js';
import { revokeWhere } from './revocations.js';
import { tokens, workflows, workspaces } from './schema.js';
import type { Secrets } from './secret.js';
import { findToken, type TokenColumns, type TokenView } from './tokens.js';
import type { Issuer } from './workspace-lock.js';

/** Which token is taken over, by whom, and what that member may hand on. */
export interface TakeOver {
  readonly workspaceId: WorkspaceId;
  readonly id: TokenId;
  readonly successorId: MemberId;
  readonly grantor: Grantor;
  readonly issuer: Issuer;
  readonly origin: Origin;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** Makes a token of the named successor in the place of one whose creator left, and ends that one. Once: of requests at the
 *  same moment one wins. Refuses `not_allowed` for anybody else and `takeover_state` when nothing is offered any more. Nothing
 *  stays of it when the caller is gone before the commit. */
export async function takeOver(
  db: Db,
  secrets: Secrets,
  request: TakeOver,
): Promise<Result<Pick<Minted, 'id' | 'printed'>>> {
  const known = await findToken(db, request.workspaceId, request.id, request.now());
  // It is asked again behind the lock. What nobody may take costs no argon2id.
  const isRefused = offerRefusal(known, request.successorId, request.now());
  if (isRefused) return refuse(isRefused);
  const minted = await drawSecret(secrets, newId('tok', request.now()));
  return inTransaction(db, async (tx) => {
    const role = await lockForAct(tx, request.issuer, 'issue', 'tokens:mint');
    if (!role.ok) return role;
    const named = and(eq(tokens.workspaceId, request.workspaceId), eq(tokens.id, request.id));
    await tx.select({ id: tokens.id }).from(tokens).where(named).for('update');
    const now = request.now();
    const before = await findToken(tx, request.workspaceId, request.id, now);
    const refusal = offerRefusal(before, request.successorId, now);
    if (refusal) return refuse(refusal);
    if (before === undefined) return refuse({ kind: 'not_found' });
    const grantor = { ...request.grantor, role: role.value };
    const outcome = await replace(tx, { ...request, grantor }, before, minted, now);
    request.signal.throwIfAborted();
    return outcome;
  });
}

async function replace(
  tx: Tx,
  { workspaceId, successorId, grantor, origin }: TakeOver,
  { token, creator }: TokenView,
  minted: Minted,
  now: Date,
): Promise<Result<Pick<Minted, 'id' | 'printed'>>> {
  const [policy] = await tx
    .select({
      allowedScopes: workflows.allowedScopes,
      allowedExpiryDays: workflows.allowedExpiryDays,
      constraints: workflows.constraints,
      pausedAt: workflows.pausedAt,
      ofWorkspace: workspaces.policy,
    })
    .from(workflows)
    .innerJoin(workspaces, eq(workspaces.id, workflows.workspaceId))
    .where(and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, token.workflow)));
  if (policy === undefined) throw new Error('a token without a workflow');
  if (policy.pausedAt) {
    return refuse({ kind: 'conflict', code: 'workflow_not_active', detail: 'the workflow is paused' });
  }
  const todays = { workflow: policy, workspace: policy.ofWorkspace ?? UNBOUNDED };
  const granted = takenOver(grantor, todays, token);
  if (granted === undefined) {
    return beyondPolicy(
      "of its rights nothing is left that the policies of today and the calling token's own rights allow",
    );
  }
  const { scopes, constraints, expiresInDays } = granted;
  const expiresAt = earliest(token.expiresAt, addDays(now, expiresInDays)) ?? token.expiresAt;
  const issued = { workspaceId, kind: token.kind, workflow: token.workflow, creatorId: successorId };
  const isAdded = await leavesAnother(tx, token);
  const beyond = await policyRefusal(tx, { ...issued, scopes, constraints, expiresAt }, isAdded, now);
  if (beyond)
    return beyond.kind === 'invalid'
      ? beyondPolicy(beyond.errors.map(({ detail }) => detail).join('; '))
      : refuse(beyond);
  const draft = {
    workspaceId,
    kind: 'access',
    workflow: token.workflow,
    creatorId: successorId,
    ownerId: successorId,
    name: token.name,
    scopes,
    constraints,
    notBefore: token.notBefore,
    expiresAt,
    expiresInDays,
    lineageId: minted.id,
    rotatedFrom: null,
  } as const;
  await insertToken(tx, minted, draft, now);
  // With the accountability goes the offer: what is left of the token is its successor's to see.
  await tx
    .update(tokens)
    .set({ ownerId: successorId, takeoverBy: null, takeoverUntil: null })
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, token.id)));
  const target = printId('tok', token.id);
  const successor = printId('tok', minted.id);
  const people = { from: printId('mem', creator.id), by: printId('mem', successorId) };
  const from = { workflow: token.workflow, scopes, expires_at: expiresAt.toISOString(), taken_over_from: target };
  await revokeWhere(tx, workspaceId, eq(tokens.id, token.id), { reason: 'owner_left', note: undefined, origin }, now);
  const events = [
    { action: 'token.taken_over', target, data: { ...people, successor } },
    { action: 'token.minted', target: successor, data: from },
  ] as const;
  await recordEvents(tx, workspaceId, origin, events, now);
  return accept({ id: minted.id, printed: minted.printed });
}

const UNBOUNDED: WorkspacePolicy = { enforcement: 'report' };

/** Whether the workflow has one line of tokens more afterwards: what is taken over has ended already, or others of its line
 *  go on. */
async function leavesAnother(tx: Tx, token: TokenColumns): Promise<boolean> {
  if (token.revokedAt !== null) return true;
  const [other] = await tx
    .select({ id: tokens.id })
    .from(tokens)
    .where(
      and(
        eq(tokens.workspaceId, token.workspaceId),
        eq(tokens.lineageId, token.lineageId),
        ne(tokens.id, token.id),
        isNull(tokens.revokedAt),
      ),
    )
    .limit(1);
  return other !== undefined;
}

/** Why a member may not take a token over; `undefined` when it may. */
function offerRefusal(view: TokenView | undefined, successorId: MemberId, now: Date): Refusal | undefined {
  if (view === undefined) return { kind: 'not_found' };
  const { takeoverBy, takeoverUntil, expiresAt } = view.token;
  if (takeoverBy === null || takeoverUntil === null)
    return notOffered('the token is not to be taken over, or was already');
  if (takeoverBy !== successorId) {
    return { kind: 'not_allowed', detail: `only ${printId('mem', takeoverBy)} may take this token over` };
  }
  if (takeoverUntil <= now) return notOffered(`the time to take it over ended at ${takeoverUntil.toISOString()}`);
  return expiresAt <= now ? notOffered('the token has expired: there is nothing to take over') : undefined;
}

function beyondPolicy(why: string) {
  return refuse({ kind: 'conflict', code: 'policy', detail: `the token cannot be taken over: ${why}; mint a new one` });
}

function notOffered(detail: string): Refusal {
  return { kind: 'conflict', code: 'takeover_state', detail };
}
