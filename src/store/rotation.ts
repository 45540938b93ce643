import { and, eq } from 'drizzle-orm';
import { type Constraints, narrowConstraints } from '../rules/constraint.js';
import { newId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { addDays, addSeconds, earliest, periodWithin } from '../rules/lifetime.js';
import { accept, type ConflictCode, invalid, type Refusal, type Result, refuse } from '../rules/refusal.js';
import { isRotatable } from '../rules/rotation.js';
import { isServiceScope } from '../rules/scope.js';
import { policyAllowsScope } from '../rules/workflow.js';
import {
  isBeyondReach,
  periodsWithin,
  placeWithin,
  scopesWithin,
  type WorkspacePolicy,
} from '../rules/workspace-policy.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { drawSecret, insertToken, type Minted, replaceSecret } from './mint.js';
import { policyRefusal } from './policy-admission.js';
import { tokens, workflows, workspaces } from './schema.js';
import type { Secrets } from './secret.js';
import { findToken, type TokenView } from './tokens.js';

export interface Rotation {
  readonly workspaceId: WorkspaceId;
  readonly id: TokenId;
  readonly expiresInDays: number | undefined;
  readonly overlapSeconds: number;
  readonly drainSeconds: number;
  /** When the request arrived: what was rotated after that was rotated beside it. */
  readonly arrivedAt: Date;
  readonly actor: Actor;
  readonly origin: Origin;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

const SHORT_LIVED =
  'the token was made for hours and is never rotated, since a successor would live for days: sign in again, or exchange the token of the job again';

type Successor = Pick<Minted, 'id' | 'printed'>;

/** Makes a successor, or gives a successor that was never used another secret, so that a lost answer is harmless. Of
 *  rotations at the same moment one wins and the others are refused: the secret that was answered stays good. Nothing
 *  stays of a rotation whose caller is gone before the commit. */
export async function rotateToken(db: Db, secrets: Secrets, rotation: Rotation): Promise<Result<Successor>> {
  const known = await findToken(db, rotation.workspaceId, rotation.id, rotation.now());
  if (known === undefined) return refuse({ kind: 'not_found' });
  if (!isRotatable(known.token)) return conflict('short_lived', SHORT_LIVED);
  // It is asked again behind the lock. What ended for good costs no argon2id.
  if (!mayHaveSuccessor(known)) return notActive(known);
  const minted = await drawSecret(secrets, known.token.rotatedTo ?? newId('tok', rotation.now()));

  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, rotation.actor, 'issue', rotation.id);
    if (!allowed.ok) return allowed;
    await lockToken(tx, rotation.workspaceId, rotation.id);
    const now = rotation.now();
    const predecessor = await findToken(tx, rotation.workspaceId, rotation.id, now);
    if (predecessor === undefined) return refuse({ kind: 'not_found' });
    const outcome = await successorOf(tx, rotation, predecessor, minted, now);
    rotation.signal.throwIfAborted();
    return outcome;
  });
}

/** A successor, or the one that is there with another secret: that is harmless also when the predecessor has ended in its
 *  favour meanwhile. */
async function successorOf(
  tx: Tx,
  rotation: Rotation,
  predecessor: TokenView,
  minted: Minted,
  now: Date,
): Promise<Result<Successor>> {
  const { token } = predecessor;
  if (!mayHaveSuccessor(predecessor)) return notActive(predecessor);
  return token.rotatedTo === null
    ? makeSuccessor(tx, rotation, predecessor, minted, now)
    : replaceSuccessor(tx, rotation, token.rotatedTo, minted, now);
}

/** What only the workspace's policy holds back may have one: the successor complies, so that a rotation helps it out. */
function mayHaveSuccessor({ token, statusApartFromPolicy: status }: TokenView): boolean {
  if (token.frozenAt !== null) return false;
  return status === 'active' || status === 'rotating' || status === 'superseded';
}

async function makeSuccessor(
  tx: Tx,
  rotation: Rotation,
  { token }: TokenView,
  minted: Minted,
  now: Date,
): Promise<Result<Successor>> {
  const granted = await grantToday(tx, rotation, token);
  if (!granted.ok) return granted;
  const { expiresInDays, scopes, constraints } = granted.value;
  const expiresAt = addDays(now, expiresInDays);
  const beyond = await policyRefusal(tx, { ...token, scopes, constraints, createdAt: now, expiresAt }, false, now);
  if (beyond) return beyondPolicy(beyond);
  await insertToken(
    tx,
    minted,
    {
      workspaceId: token.workspaceId,
      kind: token.kind,
      workflow: token.workflow,
      creatorId: token.creatorId,
      ownerId: token.ownerId,
      name: token.name,
      scopes,
      constraints,
      notBefore: null,
      expiresAt,
      expiresInDays,
      lineageId: token.lineageId,
      rotatedFrom: token.id,
      cnfJkt: token.cnfJkt,
      runnerId: token.runnerId,
    },
    now,
  );
  const overlapEndsAt = earliest(addSeconds(now, rotation.overlapSeconds), token.expiresAt) ?? token.expiresAt;
  await tx
    .update(tokens)
    .set({ rotatedTo: minted.id, overlapEndsAt, drainSeconds: rotation.drainSeconds })
    .where(and(eq(tokens.workspaceId, token.workspaceId), eq(tokens.id, token.id)));
  const data = {
    successor: printId('tok', minted.id),
    expires_at: expiresAt.toISOString(),
    overlap_ends_at: overlapEndsAt.toISOString(),
    drain_seconds: rotation.drainSeconds,
  };
  const event = { action: 'token.rotated', target: printId('tok', token.id), data } as const;
  const from = { workflow: token.workflow, scopes, expires_at: data.expires_at, rotated_from: event.target };
  const minting = { action: 'token.minted', target: data.successor, data: from } as const;
  await recordEvents(tx, token.workspaceId, rotation.origin, [event, minting], now);
  return accept({ id: minted.id, printed: minted.printed });
}

async function replaceSuccessor(
  tx: Tx,
  rotation: Rotation,
  successorId: TokenId,
  minted: Minted,
  now: Date,
): Promise<Result<Successor>> {
  const [successor] = await lockToken(tx, rotation.workspaceId, successorId);
  const id = printId('tok', successorId);
  if (!successor || successor.revokedAt) return rotated(`its successor ${id} was revoked; mint a new token`);
  if (successor.frozenAt) return rotated(`its successor ${id} is frozen`);
  if (successor.firstUsedAt || successor.rotatedTo) return rotated(`its successor ${id} is in use; rotate that one`);
  if (successorId !== minted.id || successor.secretSetAt > rotation.arrivedAt) {
    return rotated(`another rotation was under way and made ${id}; rotate again if its answer was lost`);
  }
  const known = await findToken(tx, rotation.workspaceId, successorId, now);
  const beyond = known && (await policyRefusal(tx, known.token, false, now));
  if (beyond) return beyondPolicy(beyond);
  await replaceSecret(tx, rotation.workspaceId, minted, now);
  const event = { action: 'token.secret_replaced', target: id } as const;
  await recordEvents(tx, rotation.workspaceId, rotation.origin, [event], now);
  return accept({ id: minted.id, printed: minted.printed });
}

interface Grant {
  readonly expiresInDays: number;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
}

/** What today's policies, the workflow's and the workspace's, leave of a token's rights. */
async function grantToday(tx: Tx, rotation: Rotation, token: TokenView['token']): Promise<Result<Grant>> {
  const [policy] = await tx
    .select({
      allowedScopes: workflows.allowedScopes,
      allowedExpiryDays: workflows.allowedExpiryDays,
      constraints: workflows.constraints,
      ofWorkspace: workspaces.policy,
    })
    .from(workflows)
    .innerJoin(workspaces, eq(workspaces.id, workflows.workspaceId))
    .where(and(eq(workflows.workspaceId, token.workspaceId), eq(workflows.label, token.workflow)));
  if (policy === undefined) throw new Error('a token without a workflow');
  const isReached = !isBeyondReach({ ...token, workflowLabel: token.workflow });
  const bounds = (isReached ? policy.ofWorkspace : null) ?? UNBOUNDED;
  const periods = periodsWithin(policy.allowedExpiryDays, bounds);
  const wanted = rotation.expiresInDays;
  if (wanted !== undefined && !periods.includes(wanted)) {
    return invalid(['expires_in_days'], `must be one of ${periods.join(', ')}`);
  }
  const expiresInDays = wanted ?? periodWithin(periods, token.expiresInDays);
  const allowed = token.scopes.filter((scope) => isServiceScope(scope) || policyAllowsScope(policy, scope));
  const scopes = scopesWithin(allowed, bounds);
  const constraints = placeWithin(narrowConstraints(token.constraints, policy.constraints), bounds);
  const isShut = Object.values(constraints).some((patterns) => patterns?.length === 0);
  if (expiresInDays === undefined || scopes.length === 0 || isShut) {
    return conflict(
      'policy',
      `the ${bounds === UNBOUNDED ? "workflow's" : "workflow's or the workspace's"} policy of today leaves nothing of this token; mint a new one`,
    );
  }
  return accept({ expiresInDays, scopes, constraints });
}

const UNBOUNDED: WorkspacePolicy = { enforcement: 'report' };

/** A rotation asks for no scopes and no place: what is wrong with them is no fault of the request. */
function beyondPolicy(refusal: Refusal): { ok: false; refusal: Refusal } {
  if (refusal.kind !== 'invalid') return refuse(refusal);
  const faults = refusal.errors.map(({ detail }) => detail).join('; ');
  return conflict('policy', `the successor would not comply: ${faults}. Mint a token that does`);
}

function lockToken(tx: Tx, workspaceId: WorkspaceId, id: TokenId) {
  return tx
    .select({
      firstUsedAt: tokens.firstUsedAt,
      frozenAt: tokens.frozenAt,
      revokedAt: tokens.revokedAt,
      rotatedTo: tokens.rotatedTo,
      secretSetAt: tokens.secretSetAt,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, id)))
    .for('update');
}

function notActive({ token, status }: TokenView): { ok: false; refusal: Refusal } {
  const state = token.frozenAt === null ? status : 'frozen';
  return conflict('token_not_active', `the token is ${state}; only an active token is rotated`);
}

function rotated(detail: string): { ok: false; refusal: Refusal } {
  return conflict('already_rotated', `the token is rotated: ${detail}`);
}

function conflict(code: ConflictCode, detail: string): { ok: false; refusal: Refusal } {
  return refuse({ kind: 'conflict', code, detail });
}
