import type { WebhookChangeRequest } from '../sdk/index.js';
import { webhookChangeRequest } from '../wire/webhooks.js';
import { signedInClient } from './client.js';
import { print, printJson, say } from './output.js';
import { readSecret } from './stdin.js';
import { UsageError } from './usage-error.js';
import { printWebhook } from './webhooks.js';

export interface WebhookSetFlags {
  event?: string[];
  url?: string;
  description?: string;
  json?: true;
}

const URL_HINT = 'countersign webhook set whk_01KfUXmCbVYz8sQ2dW3nRk --url - < slack.url';

/** `webhook set`: changes what the flags name and keeps the rest. */
export async function setWebhook(id: string, flags: WebhookSetFlags): Promise<number> {
  const { event: events, description } = flags;
  if (events === undefined && description === undefined && flags.url === undefined) {
    throw new UsageError('say what to change: --event, --url or --description');
  }
  const client = await signedInClient();
  if (flags.url !== undefined && flags.url !== '-' && (await client.webhooks.show(id)).form === 'slack') {
    throw new UsageError(`the address of a slack webhook is a secret: give - and pipe it in. For example: ${URL_HINT}`);
  }
  const url = flags.url === '-' ? await readSecret('the address', URL_HINT) : flags.url;
  const request = webhookChangeRequest.safeParse({ events, description, url });
  if (!request.success) throw new UsageError('that is no webhook: see `countersign webhook set --help` for its events');
  return await change(id, request.data, flags, 'is changed');
}

/** `webhook enable`. */
export async function enableWebhook(id: string, flags: { json?: true }): Promise<number> {
  return await change(id, { enabled: true }, flags, 'is told again of what happens');
}

/** `webhook disable`. */
export async function disableWebhook(id: string, flags: { json?: true }): Promise<number> {
  return await change(id, { enabled: false }, flags, 'is told nothing more, and what was on its way is dead');
}

/** `webhook rotate-secret`: the new secret alone on standard output, as `webhook add` prints the first one. */
export async function rotateWebhookSecret(id: string, flags: { json?: true }): Promise<number> {
  const rotated = await (await signedInClient()).webhooks.rotateSecret(id);
  if (flags.json) {
    printJson(rotated);
    return 0;
  }
  if (rotated.secret !== null) print(rotated.secret);
  say(`${rotated.id} has a new secret. For a day the one of before signs beside it.`);
  return 0;
}

async function change(
  id: string,
  request: WebhookChangeRequest,
  flags: { json?: true },
  outcome: string,
): Promise<number> {
  const webhook = await (await signedInClient()).webhooks.change(id, request);
  printWebhook(webhook, flags);
  if (!flags.json) say(`${webhook.id} ${outcome}.`);
  return 0;
}
