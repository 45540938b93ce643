import { setImmediate as nextTurn } from 'node:timers/promises';
import { canonicalJson } from '../rules/audit.js';
import { findTokens, type TokenId } from '../rules/format.js';
import { judgeMint, type MintTerms } from '../rules/mint.js';
import { accept, type JudgedPart, type Result, refusalOfParts, refuse } from '../rules/refusal.js';
import { areGuarded } from '../rules/step-up.js';
import type { TokenFacts } from '../rules/token.js';
import type { IdempotentRequest } from '../store/idempotency.js';
import { type MintOrder, mintTokens } from '../store/minting.js';
import { findTokens as findViews } from '../store/tokens.js';
import { findWorkflows, type WorkflowRow } from '../store/workflows.js';
import type { MintedToken, MintRequest } from '../wire/resources.js';
import type { Deps } from './deps.js';
import { originOf } from './endpoint.js';
import type { Exchange } from './exchange.js';
import { presentToken } from './present.js';
import { requireStepUp } from './step-up.js';
import { grantorOf } from './visible.js';

/** What a token is asked for by, and where in the body that stands. */
export interface AskedToken {
  readonly path: JudgedPart['path'];
  readonly request: MintRequest;
}

type MintCall = Exchange & { readonly caller: TokenFacts; readonly body: unknown };
type Order = Omit<MintOrder, 'constraints'>;

/** Mints all that is asked for or nothing: decide what may be granted, ask for a passkey where one is needed, insert, show
 *  the secrets this once. */
export async function mintAsked(
  deps: Deps,
  call: MintCall,
  asked: readonly AskedToken[],
): Promise<Result<readonly MintedToken[]>> {
  const { caller, now } = call;
  const { workspaceId, creatorId } = caller;
  const idempotent = idempotencyOf(call);
  if (!idempotent.ok) return idempotent;
  const orders = asked.map(orderOf);
  const labels = [...new Set(orders.map(({ workflow }) => workflow))];
  const workflows = await findWorkflows(deps.db, workspaceId, labels);
  const granted = await grantAll(call, orders, workflows);
  if (!granted.ok) return granted;
  const confirmed = await confirmGuarded(deps, call, orders);
  if (!confirmed.ok) return confirmed;

  const minted = await mintTokens(deps.db, deps.secrets, {
    issuer: { workspaceId, tokenId: caller.id },
    memberId: creatorId,
    grantor: grantorOf(caller),
    workflows,
    orders: granted.value,
    idempotent: idempotent.value,
    origin: originOf(caller, call),
    now,
    signal: call.signal(),
  });
  if (!minted.ok) return minted;
  deps.metrics.tokens('minted', minted.value.length);
  const ids = minted.value.map(({ id }) => id);
  const views = await findViews(deps.db, workspaceId, ids, now);
  const shown = (id: TokenId) => {
    const view = views.get(id);
    if (view === undefined) throw new Error('a minted token is not there');
    return presentToken(view);
  };
  return accept(minted.value.map(({ id, printed }) => ({ ...shown(id), token: printed })));
}

function idempotencyOf(call: MintCall): Result<IdempotentRequest | undefined> {
  const key = call.header('idempotency-key');
  if (key === undefined) return accept(undefined);
  if (!/^[\x20-\x7e]{1,255}$/.test(key) || findTokens(key).length > 0) {
    return refuse({ kind: 'malformed_body', detail: 'an Idempotency-Key is 1 to 255 printable ASCII characters' });
  }
  return accept({ key, body: canonicalJson(call.body) });
}

function orderOf({ path, request }: AskedToken): Order {
  const terms: MintTerms = {
    scopes: request.scopes,
    constraints: request.constraints ?? {},
    expiresInDays: request.expires_in_days,
    notBefore: request.not_before === undefined ? undefined : new Date(request.not_before),
  };
  return { path, workflow: request.workflow, name: request.name ?? null, terms };
}

/** What the workflows' policies and the caller's own rights allow of what was asked for. */
async function grantAll(
  { caller, now, signal }: MintCall,
  orders: readonly Order[],
  workflows: ReadonlyMap<string, WorkflowRow>,
): Promise<Result<readonly MintOrder[]>> {
  const grantor = grantorOf(caller);
  const granted: MintOrder[] = [];
  const refused: JudgedPart[] = [];
  for (const [at, order] of orders.entries()) {
    // Many patterns on both sides take milliseconds: others are answered in between.
    if (at > 0) await nextTurn();
    signal().throwIfAborted();
    const judged = judgeMint(grantor, workflows.get(order.workflow), order.terms, now);
    if (judged.ok) granted.push({ ...order, constraints: judged.value });
    else refused.push({ path: order.path, refusal: judged.refusal });
  }
  const refusal = refusalOfParts(refused);
  return refusal ? refuse(refusal) : accept(granted);
}

/** What the tokens could do that a person is asked about comes first: the rest may be cut. */
async function confirmGuarded(deps: Deps, call: MintCall, orders: readonly Order[]): Promise<Result<undefined>> {
  const guarded = orders.filter(({ terms }) => areGuarded(terms.scopes));
  if (guarded.length === 0) return accept(undefined);
  const scopes = [...new Set(guarded.flatMap(({ terms }) => terms.scopes))];
  const inFull = [...scopes.filter((scope) => areGuarded([scope])), ...scopes.filter((scope) => !areGuarded([scope]))];
  const labels = [...new Set(guarded.map(({ workflow }) => workflow))];
  const what = guarded.length === 1 ? 'a token' : `${guarded.length} tokens`;
  const act = `mint ${what} with ${inFull.join(' ')}, of ${labels.join(', ')}`;
  return await requireStepUp(deps, call.caller, call, act);
}
