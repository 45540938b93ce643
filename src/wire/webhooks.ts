import { z } from 'zod';
import { DELIVERY_STATUSES, WEBHOOK_EVENTS, WEBHOOK_FORMS } from '../rules/webhook.js';
import { operation } from './operation.js';
import { cursor, limit, line } from './primitives.js';
import { delivery, deliveryPage, webhook, webhookPage, webhookWithSecret } from './webhook-answers.js';
import type { WebhookChangeRequest, WebhookRequest } from './webhook-resources.js';

const url = line(2_048).min(1).describe('Where messages are posted: https, on a public address, without credentials.');
const events = z
  .array(z.enum(WEBHOOK_EVENTS))
  .min(1)
  .max(WEBHOOK_EVENTS.length)
  .transform((list) => [...new Set(list)])
  .describe('What it is told of.');
const description = line(200).describe('What it is for.');

export const webhookRequest = z
  .strictObject({
    url,
    events,
    form: z
      .enum(WEBHOOK_FORMS)
      .default('standard')
      .describe('`standard` is signed (Standard Webhooks); `slack` is a text for an incoming webhook of a chat.'),
    description: description.default(''),
  })
  .meta({
    id: 'WebhookRequest',
    examples: [{ url: 'https://hooks.acme.example/countersign', events: ['token.expiring', 'token.revoked'] }],
  }) satisfies z.ZodType<unknown, WebhookRequest>;

export const webhookChangeRequest = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    description: description.optional(),
    enabled: z
      .boolean()
      .optional()
      .describe('`false` holds it back: what is on its way is dead. `true` lets it on again.'),
  })
  .meta({ id: 'WebhookChangeRequest', examples: [{ enabled: true }] }) satisfies z.ZodType<
  unknown,
  WebhookChangeRequest
>;

const tag = 'webhooks';
const scope = 'workspace:admin';

export const listWebhooksOperation = operation({
  id: 'listWebhooks',
  method: 'get',
  path: '/v1/webhooks',
  tag,
  summary: 'List webhooks, oldest first',
  auth: 'bearer',
  scope,
  query: z.strictObject({ limit, cursor }),
  answers: { 200: { description: 'A page of webhooks', schema: webhookPage } },
  refusals: [422],
});

export const addWebhookOperation = operation({
  id: 'addWebhook',
  method: 'post',
  path: '/v1/webhooks',
  tag,
  summary: 'Add a webhook',
  description:
    'Twenty for a workspace at most. A message is tried nine times within three days, and signed as Standard Webhooks has it: `v1,` and the base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`, in `webhook-signature`. The same message may come twice: its `webhook-id` stays.',
  auth: 'bearer',
  scope,
  body: webhookRequest,
  answers: { 201: { description: 'Added', schema: webhookWithSecret, headers: ['Location'] } },
  refusals: [415, 422],
});

export const showWebhookOperation = operation({
  id: 'showWebhook',
  method: 'get',
  path: '/v1/webhooks/{id}',
  tag,
  summary: 'Show a webhook',
  auth: 'bearer',
  scope,
  answers: { 200: { description: 'The webhook', schema: webhook } },
  refusals: [],
});

export const patchWebhookOperation = operation({
  id: 'patchWebhook',
  method: 'patch',
  path: '/v1/webhooks/{id}',
  tag,
  summary: 'Change a webhook, hold it back or let it on again',
  auth: 'bearer',
  scope,
  body: webhookChangeRequest,
  answers: { 200: { description: 'The webhook', schema: webhook } },
  refusals: [415, 422],
});

export const removeWebhookOperation = operation({
  id: 'removeWebhook',
  method: 'delete',
  path: '/v1/webhooks/{id}',
  tag,
  summary: 'Remove a webhook and what is on its way there',
  auth: 'bearer',
  scope,
  answers: { 204: { description: 'Removed' } },
  refusals: [],
});

export const rotateWebhookSecretOperation = operation({
  id: 'rotateWebhookSecret',
  method: 'post',
  path: '/v1/webhooks/{id}/secret',
  tag,
  summary: 'Give a webhook a new secret',
  description: 'For a day the secret of before signs beside the new one. The slack form has none: 409.',
  auth: 'bearer',
  scope,
  answers: { 200: { description: 'The webhook with its new secret', schema: webhookWithSecret } },
  refusals: [409],
});

export const testWebhookOperation = operation({
  id: 'testWebhook',
  method: 'post',
  path: '/v1/webhooks/{id}/test',
  tag,
  summary: 'Send a webhook a message that says nothing',
  description: 'Its event is `webhook.tested`. `GET /v1/webhooks/{id}/deliveries` says what became of it.',
  auth: 'bearer',
  scope,
  answers: {
    202: {
      description: 'On its way',
      schema: z.object({ delivery_id: z.string() }).meta({ id: 'WebhookTest' }),
    },
  },
  refusals: [409],
});

export const listDeliveriesOperation = operation({
  id: 'listDeliveries',
  method: 'get',
  path: '/v1/webhooks/{id}/deliveries',
  tag,
  summary: 'List what a webhook was sent within 30 days, newest first',
  auth: 'bearer',
  scope,
  query: z.strictObject({ status: z.enum(DELIVERY_STATUSES).optional(), limit, cursor }),
  answers: { 200: { description: 'A page of deliveries', schema: deliveryPage } },
  refusals: [422],
});

export const replayDeliveryOperation = operation({
  id: 'replayDelivery',
  method: 'post',
  path: '/v1/webhooks/{id}/deliveries/{delivery_id}/replay',
  tag,
  summary: 'Send a delivery that is over once more',
  auth: 'bearer',
  scope,
  answers: { 202: { description: 'On its way again', schema: delivery } },
  refusals: [409],
});
