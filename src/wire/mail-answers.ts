import { z } from 'zod';
import { DELIVERY_STATUSES } from '../rules/webhook.js';
import { page, timestamp } from './answers.js';
import type { MailDelivery } from './mail-resources.js';

export const mailDelivery: z.ZodType<MailDelivery> = z
  .object({
    id: z.string().describe('The first half of its `Message-ID`: the same for each attempt.'),
    recipient: z.string(),
    event: z.string(),
    subject: z.string(),
    targets: z.array(z.string()).describe('The ids of the tokens or incidents that it names.'),
    status: z.enum(DELIVERY_STATUSES),
    attempts: z.int(),
    created_at: timestamp,
    last_attempt_at: timestamp.nullable(),
    next_attempt_at: timestamp.nullable(),
    last_fault: z.string().nullable().describe('Why the last attempt failed.'),
  })
  .meta({ id: 'MailDelivery' });

export const mailDeliveryPage = page('MailDeliveryPage', mailDelivery);
