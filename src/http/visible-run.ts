import { parsePublicId } from '../rules/format.js';
import type { Result } from '../rules/refusal.js';
import type { ServiceScope } from '../rules/scope.js';
import { findRun, type RunView } from '../store/runs.js';
import type { Deps } from './deps.js';
import type { Exchange } from './exchange.js';
import { shownTo } from './visible-check.js';

/** The run that a path names. */
export function namedRun(deps: Deps, exchange: Exchange, scopes: readonly ServiceScope[]): Promise<Result<RunView>> {
  const id = parsePublicId('run', exchange.params['id'] ?? '');
  return shownTo(deps, exchange, scopes, async (workspaceId) => {
    const view = id && (await findRun(deps.db, workspaceId, id));
    return (
      view && {
        tokenId: view.run.tokenId,
        callerTokenId: view.run.callerTokenId,
        runnerId: view.run.runnerId,
        value: view,
      }
    );
  });
}
