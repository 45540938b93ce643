import { parsePublicId, type WebhookId } from '../rules/format.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { TokenFacts } from '../rules/token.js';
import { findWebhook, type WebhookChange, type WebhookRow } from '../store/webhooks.js';
import type { Deps } from './deps.js';
import { originOf } from './endpoint.js';
import type { Exchange } from './exchange.js';

type Called = Exchange & { readonly caller: TokenFacts };

/** The webhook that a path names. Refuses `not_found`. */
export async function webhookOf(deps: Deps, call: Called): Promise<Result<WebhookRow>> {
  const id = webhookIdOf(call);
  const found = id && (await findWebhook(deps.db, call.caller.workspaceId, id));
  return found ? accept(found) : refuse({ kind: 'not_found' });
}

/** Who changes what a path names, and when. */
export function changeOf(call: Called): WebhookChange {
  const { caller, now } = call;
  return {
    workspaceId: caller.workspaceId,
    memberId: caller.creatorId,
    caller: { workspaceId: caller.workspaceId, tokenId: caller.id },
    origin: originOf(caller, call),
    now,
  };
}

/** The id that a path names. */
export function webhookIdOf({ params }: Exchange): WebhookId | undefined {
  return parsePublicId('whk', params['id'] ?? '');
}
