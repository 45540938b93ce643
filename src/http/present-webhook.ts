import { printId } from '../rules/format.js';
import { shownUrl } from '../rules/webhook.js';
import type { DeliveryRow } from '../store/deliveries.js';
import type { MailRow } from '../store/mails.js';
import type { WebhookRow } from '../store/webhooks.js';
import type { Delivery, DeliveryStanding, Webhook } from '../wire/webhook-resources.js';

/** A webhook as the wire shows it. */
export function presentWebhook(row: WebhookRow): Webhook {
  return {
    id: printId('whk', row.id),
    url: shownUrl(row),
    form: row.form,
    events: row.events,
    description: row.description,
    created_at: row.createdAt.toISOString(),
    created_by: printId('mem', row.createdBy),
    disabled_at: row.disabledAt?.toISOString() ?? null,
  };
}

/** A delivery as the wire shows it. */
export function presentDelivery(row: DeliveryRow): Delivery {
  return {
    id: printId('dlv', row.id),
    webhook_id: printId('whk', row.webhookId),
    event: row.event,
    payload: row.payload,
    ...presentStanding(row),
  };
}

/** Where a message or a mail stands on its way. */
export function presentStanding(row: DeliveryRow | MailRow): DeliveryStanding {
  return {
    status: row.status,
    attempts: row.attempts,
    created_at: row.createdAt.toISOString(),
    last_attempt_at: row.lastAttemptAt?.toISOString() ?? null,
    next_attempt_at: row.nextAttemptAt?.toISOString() ?? null,
    last_fault: row.lastFault,
  };
}
