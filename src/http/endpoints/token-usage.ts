import { printId } from '../../rules/format.js';
import { accept, type Result } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import type { TokenFacts } from '../../rules/token.js';
import { MAX_COUNTED_TOKENS, usageWindow } from '../../rules/token-usage.js';
import { usageOf, visibleLineage } from '../../store/token-usage.js';
import type { TokenView } from '../../store/tokens.js';
import { tokenUsageOperation } from '../../wire/usage.js';
import { authorize } from '../authenticate.js';
import type { Deps } from '../deps.js';
import { endpoint } from '../endpoint.js';
import { presentUsage } from '../present-usage.js';
import { readableToken } from '../visible.js';

/** What has used a token. A token without `tokens:read` sees its own use alone. */
export const tokenUsageRoute = endpoint(tokenUsageOperation, async (deps, call) => {
  const { caller, query, now } = call;
  const view = await readableToken(deps, call, caller);
  if (!view.ok) return view;
  const found = await counted(deps, view.value, caller, query.lineage, now);
  if (!found.ok) return found;
  const views = found.value.slice(0, MAX_COUNTED_TOKENS);
  const window = usageWindow(now, query.days);
  const ids = views.map(({ token }) => token.id);
  const usage = await usageOf(deps.db, caller.workspaceId, ids, window);
  const tokens = { data: ids.map((id) => printId('tok', id)), has_more: found.value.length > views.length };
  return accept({ status: 200, body: presentUsage({ named: view.value, views, tokens, window, usage }) });
});

async function counted(
  { db }: Deps,
  view: TokenView,
  caller: TokenFacts,
  isLineage: boolean,
  now: Date,
): Promise<Result<readonly TokenView[]>> {
  if (!isLineage) return accept([view]);
  const reader = authorize(caller, 'tokens:read');
  if (!reader.ok) return reader;
  return accept(await visibleLineage(db, view, seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId, now));
}
