import { and, eq } from 'drizzle-orm';
import type { Constraints } from '../rules/constraint.js';
import {
  type MemberId,
  newTokenSecret,
  printToken,
  type RunnerId,
  type SessionId,
  type TokenId,
  type TrustRuleId,
  type WorkspaceId,
} from '../rules/format.js';
import type { TokenKind } from '../rules/token.js';
import type { Tx } from './database.js';
import { tokens } from './schema.js';
import type { Secrets } from './secret.js';

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
  await insertTokens(tx, [{ minted, draft }], now);
}

/** Inserts tokens by one statement. Their events are the caller's to record. */
export async function insertTokens(
  tx: Tx,
  made: readonly { readonly minted: Minted; readonly draft: TokenDraft }[],
  now: Date,
): Promise<void> {
  const rows = made.map(({ minted: { id, verifiers }, draft }) => {
    return { ...draft, scopes: [...draft.scopes], id, createdAt: now, secretSetAt: now, ...verifiers };
  });
  await tx.insert(tokens).values(rows);
}

/** Gives a token another secret; the one before stops working with the commit. */
export async function replaceSecret(tx: Tx, workspaceId: WorkspaceId, minted: Minted, now: Date): Promise<void> {
  await tx
    .update(tokens)
    .set({ ...minted.verifiers, secretSetAt: now })
    .where(and(eq(tokens.workspaceId, workspaceId), eq(tokens.id, minted.id)));
}
