import { parsePublicId, printId } from '../../rules/format.js';
import { accept, invalid, refuse } from '../../rules/refusal.js';
import { webhookUrlFault } from '../../rules/webhook-url.js';
import {
  addWebhook,
  changeWebhook,
  listWebhooks,
  removeWebhook,
  rotateWebhookSecret,
  testWebhook,
  type WebhookRow,
} from '../../store/webhooks.js';
import {
  addWebhookOperation,
  listWebhooksOperation,
  patchWebhookOperation,
  removeWebhookOperation,
  rotateWebhookSecretOperation,
  showWebhookOperation,
  testWebhookOperation,
} from '../../wire/webhooks.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint } from '../endpoint.js';
import { presentWebhook } from '../present-webhook.js';
import { requireStepUp } from '../step-up.js';
import { changeOf, webhookIdOf, webhookOf } from '../visible-webhook.js';

export const listWebhooksRoute = endpoint(listWebhooksOperation, async (deps, { caller, query }) => {
  const after = readCursor('webhooks', query.cursor, (text) => parsePublicId('whk', text));
  if (!after.ok) return after;
  const rows = await listWebhooks(deps.db, caller.workspaceId, { limit: query.limit + 1, after: after.value });
  const body = pageOf('webhooks', rows, query.limit, ({ id }) => printId('whk', id), presentWebhook);
  return accept({ status: 200, body });
});

/** Adds one: from now on what happens in the workspace is told outside of it. */
export const addWebhookRoute = endpoint(addWebhookOperation, async (deps, call) => {
  const { body } = call;
  const fault = webhookUrlFault(body.url, deps.allowedPrivateNetworks);
  if (fault !== undefined) return invalid(['url'], fault);
  const stepped = await requireStepUp(deps, call.caller, call, `tell ${hostOf(body.url)} of ${body.events.join(' ')}`);
  if (!stepped.ok) return stepped;
  const added = await addWebhook(deps.db, body, changeOf(call));
  if (!added.ok) return added;
  const headers = { location: `/v1/webhooks/${printId('whk', added.value.id)}` };
  return accept({ status: 201, headers, body: withSecret(deps, added.value) });
});

export const showWebhookRoute = endpoint(showWebhookOperation, async (deps, call) => {
  const found = await webhookOf(deps, call);
  return found.ok ? accept({ status: 200, body: presentWebhook(found.value) }) : found;
});

export const patchWebhookRoute = endpoint(patchWebhookOperation, async (deps, call) => {
  const found = await webhookOf(deps, call);
  if (!found.ok) return found;
  const { url, events, description, enabled } = call.body;
  const fault = url === undefined ? undefined : webhookUrlFault(url, deps.allowedPrivateNetworks);
  if (fault !== undefined) return invalid(['url'], fault);
  const act = `tell ${hostOf(url ?? found.value.url)} of ${(events ?? found.value.events).join(' ')}`;
  const stepped = await requireStepUp(deps, call.caller, call, act);
  if (!stepped.ok) return stepped;
  const terms = {
    ...(url === undefined ? {} : { url }),
    ...(events === undefined ? {} : { events }),
    ...(description === undefined ? {} : { description }),
    isEnabled: enabled,
  };
  const changed = await changeWebhook(deps.db, found.value.id, terms, changeOf(call));
  return changed.ok ? accept({ status: 200, body: presentWebhook(changed.value) }) : changed;
});

export const removeWebhookRoute = endpoint(removeWebhookOperation, async (deps, call) => {
  const id = webhookIdOf(call);
  const removed = id ? await removeWebhook(deps.db, id, changeOf(call)) : refuse({ kind: 'not_found' });
  return removed.ok ? accept({ status: 204 }) : removed;
});

export const rotateWebhookSecretRoute = endpoint(rotateWebhookSecretOperation, async (deps, call) => {
  const found = await webhookOf(deps, call);
  if (!found.ok) return found;
  if (found.value.form === 'slack') {
    return refuse({ kind: 'conflict', code: 'webhook_state', detail: 'the slack form is not signed' });
  }
  const act = `show a new secret of the webhook at ${hostOf(found.value.url)}`;
  const stepped = await requireStepUp(deps, call.caller, call, act);
  if (!stepped.ok) return stepped;
  const rotated = await rotateWebhookSecret(deps.db, found.value.id, changeOf(call));
  return rotated.ok ? accept({ status: 200, body: withSecret(deps, rotated.value) }) : rotated;
});

export const testWebhookRoute = endpoint(testWebhookOperation, async (deps, call) => {
  const id = webhookIdOf(call);
  const tested = id ? await testWebhook(deps.db, id, changeOf(call)) : refuse({ kind: 'not_found' });
  return tested.ok ? accept({ status: 202, body: { delivery_id: tested.value } }) : tested;
});

function withSecret({ webhookSignatures }: Deps, row: WebhookRow) {
  return { ...presentWebhook(row), secret: row.form === 'slack' ? null : webhookSignatures.secret(row) };
}

function hostOf(url: string): string {
  return new URL(url).host;
}
