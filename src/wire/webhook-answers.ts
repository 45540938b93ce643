import { z } from 'zod';
import { DELIVERY_STATUSES, WEBHOOK_FORMS } from '../rules/webhook.js';
import { page, timestamp } from './answers.js';
import type { Delivery, Webhook, WebhookWithSecret } from './webhook-resources.js';

const shape = {
  id: z.string(),
  url: z.string().describe('Of the slack form only the host: whoever has that address may post.'),
  form: z.enum(WEBHOOK_FORMS),
  events: z.array(z.string()),
  description: z.string(),
  created_at: timestamp,
  created_by: z.string().describe('The member who added it.'),
  disabled_at: timestamp.nullable().describe('Since when it is sent nothing.'),
};

export const webhook: z.ZodType<Webhook> = z.object(shape).meta({ id: 'Webhook' });

export const webhookWithSecret: z.ZodType<WebhookWithSecret> = z
  .object({
    ...shape,
    secret: z
      .string()
      .nullable()
      .describe('`whsec_…`, shown this once; `null` for the slack form, which is not signed.'),
  })
  .meta({ id: 'WebhookWithSecret' });

export const webhookPage = page('WebhookPage', webhook);

/** Where a message stands on its way. */
export const deliveryStanding = {
  status: z.enum(DELIVERY_STATUSES),
  attempts: z.int(),
  created_at: timestamp,
  last_attempt_at: timestamp.nullable(),
  next_attempt_at: timestamp.nullable(),
  last_fault: z.string().nullable().describe('Why the last attempt failed.'),
};

export const delivery: z.ZodType<Delivery> = z
  .object({
    id: z.string().describe('The `webhook-id` of the message: the same for each attempt.'),
    webhook_id: z.string(),
    event: z.string(),
    payload: z.record(z.string(), z.unknown()),
    ...deliveryStanding,
  })
  .meta({ id: 'Delivery' });

export const deliveryPage = page('DeliveryPage', delivery);
