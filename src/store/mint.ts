import { createHash } from 'node:crypto';
import { and, eq, lt } from 'drizzle-orm';
import { type Constraints, withinConstraints } from '../rules/constraint.js';
import {
  type MemberId,
  newId,
  newTokenSecret,
  printId,
  printToken,
  type RunnerId,
  type SessionId,
  type TokenId,
  type TrustRuleId,
  type WorkspaceId,
} from '../rules/format.js';
import { addDays } from '../rules/lifetime.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { TokenKind } from '../rules/token.js';
import { lockForAct } from './authority.js';
import type { TransactionSql } from './connect.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { policyRefusal } from './policy-admission.js';
import { idempotencyKeys, tokens } from './schema.js';
import type { Secrets } from './secret.js';
import type { Issuer } from './workspace-lock.js';

/** A fresh secret for a token: the printed form for its holder, the verifiers for the row. Only `printed` is a secret. */
export interface Minted {
  readonly id: TokenId;
  readonly printed: string;
  readonly verifiers: { readonly digest: Buffer; readonly pepperKid: string; readonly verifier: string | null };
}

/** What a token is made of, all of it decided already. */
export interface TokenDraft {
  readonly workspaceId: WorkspaceId;
  readonly kind: TokenKind;
  readonly workflow: string;
  readonly creatorId: MemberId;
  readonly ownerId: MemberId;
  readonly name: string | null;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly notBefore: Date | null;
  readonly expiresAt: Date;
  readonly expiresInDays: number;
  readonly lineageId: TokenId;
  readonly rotatedFrom: TokenId | null;
  /** The key and the runner that the token is bound to (RFC 9449). */
  readonly cnfJkt?: string | null;
  readonly runnerId?: RunnerId | null;
  /** The session in which it was approved, or the trust rule by which it was given, for a token of a day or less. */
  readonly sessionId?: SessionId | null;
  readonly trustRuleId?: TrustRuleId | null;
}

/** How long a retried mint is recognised, in days. */
const IDEMPOTENCY_DAYS = 1;

/** Draws a secret and hashes it. Done before the transaction opens: argon2id takes about 25 ms. */
export async function drawSecret(secrets: Secrets, id: TokenId): Promise<Minted> {
  const tokenSecret = newTokenSecret();
  const verifier = await secrets.hash(tokenSecret);
  return { id, printed: printToken({ id, tokenSecret }), verifiers: { ...secrets.digest(id, tokenSecret), verifier } };
}

/** Draws the secret of a token of a day or less. It is not hashed with argon2id: should its pepper be lost, it just ends. */
export function drawShortSecret(secrets: Secrets, id: TokenId): Minted {
  const tokenSecret = newTokenSecret();
  const verifiers = { ...secrets.digest(id, tokenSecret), verifier: null };
  return { id, printed: printToken({ id, tokenSecret }), verifiers };
}

/** Inserts a token. Its event is the caller's to record. */
export async function insertToken(tx: Tx, minted: Minted, draft: TokenDraft, now: Date): Promise<void> {
  await tx.insert(tokens).values({
    ...draft,
    scopes: [...draft.scopes],
    id: minted.id,
    createdAt: now,
    secretSetAt: now,
    ...minted.verifiers,
  });
}

/** Gives a token another secret; the one before stops working with the commit. */
export async function replaceSecret(tx: Tx, workspaceId: WorkspaceId, minted: Minted, now: Date): Promise<void> {
  await tx
    .update(tokens)
    .set({ ...minted.verifiers, secretSetAt: now })
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, minted.id)));
}

/** A retry of a mint is known by its member, its key and its body. The key is kept as a hash. */
export interface IdempotentRequest {
  readonly key: string;
  readonly body: string;
}

/** Mints a token; nothing of it stays when the caller is gone before the commit. With an idempotency key a retry of the
 *  same request gives the same token, with a fresh secret while it was never used; after that, or with another body, it
 *  is a conflict. */
export async function mintToken(
  db: Db,
  secrets: Secrets,
  request: {
    readonly draft: Omit<
      TokenDraft,
      'lineageId' | 'rotatedFrom' | 'kind' | 'expiresAt' | 'cnfJkt' | 'runnerId' | 'sessionId' | 'trustRuleId'
    >;
    readonly idempotent: IdempotentRequest | undefined;
    readonly issuer: Issuer;
    readonly origin: Origin;
    readonly now: Date;
    readonly signal: AbortSignal;
  },
): Promise<Result<Pick<Minted, 'id' | 'printed'>>> {
  const { draft, origin, now } = request;
  const retried = request.idempotent && (await findRetried(db, draft, request.idempotent, now));
  if (retried && !retried.ok) return retried;
  const minted = await drawSecret(secrets, retried?.value ?? newId('tok', now));

  const expiresAt = addDays(now, draft.expiresInDays);
  const row = { ...draft, kind: 'access', expiresAt, lineageId: minted.id, rotatedFrom: null } as const;

  return inTransaction(db, async (tx) => {
    const allowed = await lockForAct(tx, request.issuer, 'issue', 'tokens:mint');
    if (!allowed.ok) return allowed;
    // Before the key is taken: a refusal takes none. If this complies, so does a token that the same request got before.
    const beyond = await policyRefusal(tx, row, retried === undefined, now);
    if (beyond) return refuse(beyond);
    if (request.idempotent) {
      const claimed = await claimKey(tx, draft, request.idempotent, minted.id, now);
      if (!claimed.ok) return claimed;
      if (claimed.value !== minted.id) return retryLost();
      if (retried) {
        const reminted = await remint(tx, draft, minted, origin, now);
        request.signal.throwIfAborted();
        return reminted;
      }
    }
    await insertToken(tx, minted, row, now);
    const data = { workflow: draft.workflow, scopes: draft.scopes, expires_at: expiresAt.toISOString() };
    const event = { action: 'token.minted', target: printId('tok', minted.id), data } as const;
    await recordEvents(tx, draft.workspaceId, origin, [event], now);
    request.signal.throwIfAborted();
    return accept({ id: minted.id, printed: minted.printed });
  });
}

// Two requests with the same new key at the same moment: the one that came second may try again.
function retryLost() {
  return refuse({
    kind: 'conflict',
    code: 'idempotency_key_reused',
    detail: 'another request with this Idempotency-Key was under way; send it again to get its token',
  });
}

async function remint(
  tx: Tx,
  { workspaceId, constraints }: Pick<TokenDraft, 'workspaceId' | 'constraints'>,
  minted: Minted,
  origin: Origin,
  now: Date,
): Promise<Result<Pick<Minted, 'id' | 'printed'>>> {
  const [token] = await tx
    .select({
      firstUsedAt: tokens.firstUsedAt,
      frozenAt: tokens.frozenAt,
      revokedAt: tokens.revokedAt,
      rotatedTo: tokens.rotatedTo,
      constraints: tokens.constraints,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, minted.id)))
    .for('update');
  if (!token || token.firstUsedAt || token.frozenAt || token.revokedAt || token.rotatedTo) {
    const detail =
      'the token of this Idempotency-Key was used, rotated, frozen or revoked since; its secret is not shown again';
    return refuse({ kind: 'conflict', code: 'idempotency_key_reused', detail });
  }
  // Who asks now may be another token of the same member: it gets no more than it could mint today.
  if (!withinConstraints(token.constraints, constraints)) {
    const detail = 'the token of this Idempotency-Key was minted under a wider policy; its secret is not shown again';
    return refuse({ kind: 'conflict', code: 'idempotency_key_reused', detail });
  }
  await replaceSecret(tx, workspaceId, minted, now);
  const event = { action: 'token.secret_replaced', target: printId('tok', minted.id) } as const;
  await recordEvents(tx, workspaceId, origin, [event], now);
  return accept({ id: minted.id, printed: minted.printed });
}

type KeyOwner = { readonly workspaceId: WorkspaceId; readonly creatorId: MemberId };

async function findRetried(
  db: Db | Tx,
  owner: KeyOwner,
  request: IdempotentRequest,
  now: Date,
): Promise<Result<TokenId> | undefined> {
  const [row] = await db
    .select({ tokenId: idempotencyKeys.tokenId, bodyHash: idempotencyKeys.bodyHash, at: idempotencyKeys.createdAt })
    .from(idempotencyKeys)
    .where(keyIs(owner, request));
  if (!row || row.at < addDays(now, -IDEMPOTENCY_DAYS)) return undefined;
  if (row.bodyHash.equals(sha256(request.body))) return accept(row.tokenId);
  const detail = 'this Idempotency-Key was used for another request';
  return refuse({ kind: 'conflict', code: 'idempotency_key_reused', detail });
}

/** Takes the key for a token, or tells which token has it. A concurrent holder is waited for. */
async function claimKey(
  tx: Tx,
  owner: KeyOwner,
  request: IdempotentRequest,
  tokenId: TokenId,
  now: Date,
): Promise<Result<TokenId>> {
  await tx
    .delete(idempotencyKeys)
    .where(and(keyIs(owner, request), lt(idempotencyKeys.createdAt, addDays(now, -IDEMPOTENCY_DAYS))));
  await tx
    .insert(idempotencyKeys)
    .values({
      workspaceId: owner.workspaceId,
      memberId: owner.creatorId,
      key: keyHash(request),
      bodyHash: sha256(request.body),
      tokenId,
      createdAt: now,
    })
    .onConflictDoNothing();
  return (await findRetried(tx, owner, request, now)) ?? accept(tokenId);
}

/** Forgets the keys that no retry can mean any more. */
export async function dropOldKeys(tx: TransactionSql, now: Date): Promise<void> {
  await tx`delete from idempotency_keys where created_at < ${addDays(now, -IDEMPOTENCY_DAYS).toISOString()}`;
}

function keyIs(owner: KeyOwner, request: IdempotentRequest) {
  return and(
    eq(idempotencyKeys.workspaceId, owner.workspaceId),
    eq(idempotencyKeys.memberId, owner.creatorId),
    eq(idempotencyKeys.key, keyHash(request)),
  );
}

function keyHash(request: IdempotentRequest): string {
  return sha256(request.key).toString('hex');
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
