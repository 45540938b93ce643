import type { RunnerId, TokenId, WorkspaceId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { mayUse } from '../rules/role.js';
import type { ServiceScope } from '../rules/scope.js';
import { isActive, runEnd, type TokenFacts } from '../rules/token.js';
import { presented } from './authenticate.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';

/** A check or its run, with the tokens that it belongs to. */
export interface Checked<T> {
  /** The token that was checked. */
  readonly tokenId: TokenId | null;
  /** The token that asked. */
  readonly callerTokenId: TokenId;
  /** The runner that asked. */
  readonly runnerId: RunnerId | null;
  readonly value: T;
}

/** Whether a caller sees the checks and runs of the whole workspace, and not just its token's. */
export function seesAllChecks(caller: TokenFacts): boolean {
  return (
    mayUse(caller.creatorRole, caller.scopes, 'exec:check') || mayUse(caller.creatorRole, caller.scopes, 'audit:read')
  );
}

/** What `find` gives of the caller's workspace, for the token that was checked, even after its end, for the token that
 *  asked, unless it was revoked or suspended since, for the live one of the runner that asked, and for live ones of the
 *  workspace with one of the scopes. A runner does nothing to the runs of another: by its scopes it may only read, as an
 *  auditor does. Refuses `not_found` for everybody else. */
export async function shownTo<T>(
  deps: Deps,
  exchange: Exchange,
  scopes: readonly ServiceScope[],
  find: (workspaceId: WorkspaceId) => Promise<Checked<T> | undefined>,
): Promise<Result<T>> {
  const token = await presented(deps, exchange);
  if (!token.ok) return token;
  const { facts } = token.value;
  const found = await find(facts.workspaceId);
  if (found?.tokenId === facts.id && facts.kind === 'access') return accept(found.value);
  // A runner rotates its token while jobs run: that ends no work under way.
  if (found?.callerTokenId === facts.id && runEnd(facts) === undefined) return accept(found.value);
  if (!isActive(facts, exchange.now)) return refuse({ kind: 'unauthenticated', hasCredentials: true });
  const isOwn = facts.runner !== undefined && found?.runnerId === facts.runner.id;
  const isByScope = facts.kind !== 'runner' || scopes.includes('audit:read');
  const maySee = isOwn || (isByScope && scopes.some((scope) => mayUse(facts.creatorRole, facts.scopes, scope)));
  return found && maySee ? accept(found.value) : refuse({ kind: 'not_found' });
}
