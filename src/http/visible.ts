import { narrowConstraints } from '../rules/constraint.js';
import { parsePublicId, type RunnerId, type TokenId } from '../rules/format.js';
import type { Grantor } from '../rules/grant.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { seesAllTokens } from '../rules/role.js';
import type { TokenFacts } from '../rules/token.js';
import type { Actor } from '../store/authority.js';
import { findToken, type TokenView } from '../store/tokens.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';

/** The token that a path names, by its public id or as `self`, if the caller may see it: members see what they made or
 *  own. Refuses `not_found`. */
export async function visibleToken(deps: Deps, exchange: Exchange, caller: TokenFacts): Promise<Result<TokenView>> {
  const id = tokenIdOf(exchange, caller);
  const view = id && (await findToken(deps.db, caller.workspaceId, id, exchange.now));
  return view && isVisible(view, caller) ? accept(view) : refuse({ kind: 'not_found' });
}

/** The token that a path names, if the caller may read it: also one that it may take over. Refuses `not_found`. */
export async function readableToken(deps: Deps, exchange: Exchange, caller: TokenFacts): Promise<Result<TokenView>> {
  const id = tokenIdOf(exchange, caller);
  const view = id && (await findToken(deps.db, caller.workspaceId, id, exchange.now));
  const isReadable = view && (isVisible(view, caller) || view.token.takeoverBy === caller.creatorId);
  return isReadable ? accept(view) : refuse({ kind: 'not_found' });
}

/** Whether a caller may see a token, and so what runs under it. */
export async function reachesToken(deps: Deps, caller: TokenFacts, id: TokenId, now: Date): Promise<boolean> {
  const view = await findToken(deps.db, caller.workspaceId, id, now);
  return view !== undefined && isVisible(view, caller);
}

/** Whether the path names the calling token itself, or the runner that it is of. */
export function isSelf(exchange: Exchange, caller: TokenFacts): boolean {
  if (exchange.path.startsWith('/v1/runners/')) {
    return caller.runner !== undefined && runnerIdOf(exchange, caller) === caller.runner.id;
  }
  return tokenIdOf(exchange, caller) === caller.id;
}

/** The runner that a path names, by its id or as `self`. */
export function runnerIdOf(exchange: Exchange, caller: TokenFacts): RunnerId | undefined {
  const id = exchange.params['id'] ?? '';
  return id === 'self' ? caller.runner?.id : parsePublicId('rnr', id);
}

/** What a caller holds, as far as it may hand it on: its workflow's constraints of today bind it too. */
export function grantorOf(caller: TokenFacts): Grantor {
  const constraints = narrowConstraints(caller.constraints, caller.workflowConstraints);
  return { role: caller.creatorRole, scopes: caller.scopes, constraints };
}

/** A caller as it acts, with the role by which it was decided what it may do. */
export function actorOf({ workspaceId, id, creatorRole }: TokenFacts): Actor {
  return { workspaceId, tokenId: id, role: creatorRole };
}

function tokenIdOf(exchange: Exchange, caller: TokenFacts): TokenId | undefined {
  const id = exchange.params['id'] ?? '';
  return id === 'self' ? caller.id : parsePublicId('tok', id);
}

function isVisible(view: TokenView, caller: TokenFacts): boolean {
  if (view.token.id === caller.id || seesAllTokens(caller.creatorRole)) return true;
  return view.token.creatorId === caller.creatorId || view.token.ownerId === caller.creatorId;
}
