import { and, eq, inArray } from 'drizzle-orm';
import { type Constraints, withinConstraints } from '../rules/constraint.js';
import { type MemberId, newId, newTokenSecret, printId, printToken, type TokenId } from '../rules/format.js';
import type { Grantor } from '../rules/grant.js';
import { addDays } from '../rules/lifetime.js';
import { decidesAlike, judgeMint, type MintingWorkflow, type MintTerms } from '../rules/mint.js';
import { accept, type Refusal, type Result, refusalOfParts, refuse } from '../rules/refusal.js';
import type { Role } from '../rules/role.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type NewEvent, type Origin, recordEvents } from './events.js';
import { claimKey, findRetried, type IdempotentRequest } from './idempotency.js';
import { insertTokens, type Minted, replaceSecret, type TokenDraft } from './mint.js';
import { policyRefusals } from './policy-admission.js';
import { tokens } from './schema.js';
import type { Secrets } from './secret.js';
import { holdWorkflows } from './workflows.js';
import type { Issuer } from './workspace-lock.js';

/** A token that is to be minted, as it was granted. */
export interface MintOrder {
  /** Where in the request it stands, for refusals. */
  readonly path: readonly (string | number)[];
  readonly workflow: string;
  readonly name: string | null;
  readonly terms: MintTerms;
  /** What it is bound to. */
  readonly constraints: Constraints;
}

/** What is to be minted together. `grantor` and `workflows` are what the orders were granted by: where they are others behind
 *  the lock, it is judged again. */
export interface Minting {
  readonly issuer: Issuer;
  readonly memberId: MemberId;
  readonly grantor: Grantor;
  readonly workflows: ReadonlyMap<string, MintingWorkflow>;
  readonly orders: readonly MintOrder[];
  readonly idempotent: IdempotentRequest | undefined;
  readonly origin: Origin;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** An order with the secret that was drawn for it. */
interface Drawn {
  readonly order: MintOrder;
  readonly minted: Minted;
}

/** An order whose token can be inserted. */
interface Ready extends Drawn {
  readonly draft: TokenDraft;
}

/** A token of so many days has no argon2id verifier: should its pepper be lost, it just ends. */
const SHORT_DAYS = 1;

/** Mints all tokens that are ordered or none, in their order; nothing of them stays when the caller is gone before the commit.
 *  With an idempotency key a retry of the same request gives the same tokens, with fresh secrets while none was used; after
 *  that, or with another body, it is a conflict. Everything is hashed before the transaction opens, since while it lasts
 *  nobody else writes to the workspace's audit trail. */
export async function mintTokens(
  db: Db,
  secrets: Secrets,
  minting: Minting,
): Promise<Result<readonly Pick<Minted, 'id' | 'printed'>[]>> {
  const { orders, idempotent, issuer, now, signal } = minting;
  const owner = { workspaceId: issuer.workspaceId, memberId: minting.memberId };
  const retried = idempotent && (await findRetried(db, owner, idempotent, orders.length, now));
  if (retried && !retried.ok) return retried;
  const ids = retried?.value ?? newIds(orders.length, now);
  const drawn = await drawSecrets(secrets, orders, ids, signal);

  return inTransaction(db, async (tx) => {
    const allowed = await lockForAct(tx, issuer, 'issue', 'tokens:mint');
    if (!allowed.ok) return allowed;
    const granted = await grantedStill(tx, minting, drawn, allowed.value);
    if (!granted.ok) return granted;
    const ready = granted.value.map((one) => ({ ...one, draft: draftOf(minting, one) }));
    // Before the key is taken: a refusal takes none. If this complies, so do the tokens that the same request got before.
    const drafts = ready.map(({ draft }) => draft);
    const beyond = await policyRefusals(tx, drafts, retried === undefined, now);
    const refusal = refusalOf(ready, (_, at) => beyond[at]);
    if (refusal) return refuse(refusal);
    if (idempotent) {
      const claimed = await claimKey(tx, owner, idempotent, ids, now);
      if (!claimed.ok) return claimed;
      if (claimed.value.some((id, at) => id !== ids[at])) return retryLost();
    }
    const events = retried ? await remint(tx, ready, now) : await insertAll(tx, ready, now);
    if (!events.ok) return events;
    await recordEvents(tx, issuer.workspaceId, minting.origin, events.value, now);
    signal.throwIfAborted();
    return accept(ready.map(({ minted: { id, printed } }) => ({ id, printed })));
  });
}

/** Ids in their order, so that a list shows the tokens in that of the request. */
function newIds(count: number, now: Date): TokenId[] {
  return Array.from({ length: count }, () => newId('tok', now)).sort();
}

/** Draws a secret for each order, and hashes those that need it: many of them few at a time, until `signal` ends it. */
async function drawSecrets(
  secrets: Secrets,
  orders: readonly MintOrder[],
  ids: readonly TokenId[],
  signal: AbortSignal,
): Promise<readonly Drawn[]> {
  const drawn = orders.flatMap((order, at) =>
    ids.slice(at, at + 1).map((id) => ({ id, order, tokenSecret: newTokenSecret() })),
  );
  const hashed = drawn.filter(({ order }) => order.terms.expiresInDays > SHORT_DAYS);
  const toHash = hashed.map(({ tokenSecret }) => tokenSecret);
  const [only, ...others] = toHash;
  // One alone waits among its like, however many there are together.
  const isOne = only !== undefined && others.length === 0;
  const hashes = isOne ? [await secrets.hash(only)] : await secrets.hashAll(toHash, signal);
  const verifiers = new Map(hashed.map(({ id }, at) => [id, hashes[at]]));
  return drawn.map(({ id, order, tokenSecret }) => {
    const verifier = verifiers.get(id) ?? null;
    const minted = {
      id,
      printed: printToken({ id, tokenSecret }),
      verifiers: { ...secrets.digest(id, tokenSecret), verifier },
    };
    return { order, minted };
  });
}

/** The orders as the role and the workflows of this moment grant them. They stay so to the end of the transaction. */
async function grantedStill(
  tx: Tx,
  { issuer, grantor, workflows, now }: Minting,
  drawn: readonly Drawn[],
  role: Role,
): Promise<Result<readonly Drawn[]>> {
  const labels = [...new Set(drawn.map(({ order }) => order.workflow))];
  const held = await holdWorkflows(tx, issuer.workspaceId, labels);
  const judged = drawn.map((one) => {
    const { workflow: label, terms, constraints } = one.order;
    const workflow = held.get(label);
    const isSame = role === grantor.role && decidesAlike(workflow, workflows.get(label));
    return { ...one, granted: isSame ? accept(constraints) : judgeMint({ ...grantor, role }, workflow, terms, now) };
  });
  const refusal = refusalOf(judged, ({ granted }) => (granted.ok ? undefined : granted.refusal));
  if (refusal) return refuse(refusal);
  return accept(
    judged.flatMap(({ order, minted, granted }) =>
      granted.ok ? [{ order: { ...order, constraints: granted.value }, minted }] : [],
    ),
  );
}

function refusalOf<T extends Drawn>(
  parts: readonly T[],
  refusalOfOne: (part: T, at: number) => Refusal | undefined,
): Refusal | undefined {
  return refusalOfParts(parts.map((part, at) => ({ path: part.order.path, refusal: refusalOfOne(part, at) })));
}

function draftOf({ issuer, memberId, now }: Minting, { order, minted }: Drawn): TokenDraft {
  const { scopes, expiresInDays, notBefore } = order.terms;
  return {
    workspaceId: issuer.workspaceId,
    kind: 'access',
    workflow: order.workflow,
    creatorId: memberId,
    ownerId: memberId,
    name: order.name,
    scopes,
    constraints: order.constraints,
    notBefore: notBefore ?? null,
    expiresAt: addDays(now, expiresInDays),
    expiresInDays,
    lineageId: minted.id,
    rotatedFrom: null,
  };
}

async function insertAll(tx: Tx, ready: readonly Ready[], now: Date): Promise<Result<readonly NewEvent[]>> {
  await insertTokens(tx, ready, now);
  return accept(
    ready.map(({ minted, draft: { workflow, scopes, expiresAt } }) => ({
      action: 'token.minted',
      target: printId('tok', minted.id),
      data: { workflow, scopes, expires_at: expiresAt.toISOString() },
    })),
  );
}

// Two requests with the same new key at the same moment: the one that came second may try again.
function retryLost() {
  return conflict('another request with this Idempotency-Key was under way; send it again to get what it got');
}

/** Gives the tokens of the request before fresh secrets, all or none. */
async function remint(tx: Tx, ready: readonly Ready[], now: Date): Promise<Result<readonly NewEvent[]>> {
  const held = await holdTokens(tx, ready);
  const refusal = refusalOf(ready, ({ minted, draft }) => remintFault(held.get(minted.id), draft.constraints));
  if (refusal) return refuse(refusal);
  for (const { minted, draft } of ready) await replaceSecret(tx, draft.workspaceId, minted, now);
  return accept(ready.map(({ minted }) => ({ action: 'token.secret_replaced', target: printId('tok', minted.id) })));
}

type HeldToken = Pick<
  typeof tokens.$inferSelect,
  'id' | 'firstUsedAt' | 'frozenAt' | 'revokedAt' | 'rotatedTo' | 'constraints'
>;

async function holdTokens(tx: Tx, ready: readonly Ready[]): Promise<ReadonlyMap<TokenId, HeldToken>> {
  const [first] = ready;
  if (first === undefined) return new Map();
  const ids = ready.map(({ minted }) => minted.id);
  const rows = await tx
    .select({
      id: tokens.id,
      firstUsedAt: tokens.firstUsedAt,
      frozenAt: tokens.frozenAt,
      revokedAt: tokens.revokedAt,
      rotatedTo: tokens.rotatedTo,
      constraints: tokens.constraints,
    })
    .from(tokens)
    .where(and(eq(tokens.workspaceId, first.draft.workspaceId), inArray(tokens.id, ids)))
    .orderBy(tokens.id)
    .for('update');
  return new Map(rows.map((row) => [row.id, row]));
}

function remintFault(token: HeldToken | undefined, granted: Constraints): Refusal | undefined {
  if (!token || token.firstUsedAt || token.frozenAt || token.revokedAt || token.rotatedTo) {
    const detail =
      'the token of this Idempotency-Key was used, rotated, frozen or revoked since; its secret is not shown again';
    return conflict(detail).refusal;
  }
  // Who asks now may be another token of the same member: it gets no more than it could mint today.
  if (withinConstraints(token.constraints, granted)) return undefined;
  const detail = 'the token of this Idempotency-Key was minted under a wider policy; its secret is not shown again';
  return conflict(detail).refusal;
}

function conflict(detail: string) {
  return refuse({ kind: 'conflict', code: 'idempotency_key_reused', detail });
}
