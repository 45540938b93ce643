import { z } from 'zod';
import type { Page } from '../wire/resources.js';
import { delivery, deliveryPage, webhook, webhookPage, webhookWithSecret } from '../wire/webhook-answers.js';
import type {
  Delivery,
  DeliveryStatus,
  Webhook,
  WebhookChangeRequest,
  WebhookRequest,
  WebhookWithSecret,
} from '../wire/webhook-resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** Where a page of deliveries begins, and which it holds. */
export interface DeliveryQuery {
  status?: DeliveryStatus | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** Webhooks: where the workspace is told of what happens, and what was sent there. */
export interface WebhooksClient {
  list(query?: { limit?: number | undefined; cursor?: string | undefined }): Promise<Page<Webhook>>;
  show(id: string): Promise<Webhook>;
  /** Adds one. Its secret is shown this once. */
  add(request: WebhookRequest): Promise<WebhookWithSecret>;
  change(id: string, request: WebhookChangeRequest): Promise<Webhook>;
  remove(id: string): Promise<void>;
  /** Gives it a new secret: for a day the one of before signs too. */
  rotateSecret(id: string): Promise<WebhookWithSecret>;
  /** Sends a message that says nothing. Gives the delivery's id. */
  test(id: string): Promise<{ delivery_id: string }>;
  deliveries(id: string, query?: DeliveryQuery): Promise<Page<Delivery>>;
  /** Sends a delivery that is over once more. */
  replay(id: string, deliveryId: string): Promise<Delivery>;
}

const tested: z.ZodType<{ delivery_id: string }> = z.object({ delivery_id: z.string() });

export function webhooksClient(options: ClientOptions): WebhooksClient {
  const path = (id: string, verb = '') => `/v1/webhooks/${encodeURIComponent(id)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/webhooks', query: { ...query } }, webhookPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, webhook),
    add: (request) => sendFor(options, { method: 'POST', path: '/v1/webhooks', json: request }, webhookWithSecret),
    change: (id, request) => sendFor(options, { method: 'PATCH', path: path(id), json: request }, webhook),
    remove: (id) => sendOnly(options, { method: 'DELETE', path: path(id) }),
    rotateSecret: (id) => sendFor(options, { method: 'POST', path: path(id, '/secret') }, webhookWithSecret),
    test: (id) => sendFor(options, { method: 'POST', path: path(id, '/test') }, tested),
    deliveries: (id, query) =>
      sendFor(options, { method: 'GET', path: path(id, '/deliveries'), query: { ...query } }, deliveryPage),
    replay: (id, deliveryId) =>
      sendFor(
        options,
        { method: 'POST', path: path(id, `/deliveries/${encodeURIComponent(deliveryId)}/replay`) },
        delivery,
      ),
  };
}
