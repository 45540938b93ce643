import { z } from 'zod';
import { page } from './answers.js';
import type { MailDelivery } from './mail-resources.js';
import { deliveryStanding } from './webhook-answers.js';

export const mailDelivery: z.ZodType<MailDelivery> = z
  .object({
    id: z.string().describe('The first half of its `Message-ID`: the same for each attempt.'),
    recipient: z.string(),
    event: z.string(),
    subject: z.string(),
    targets: z.array(z.string()).describe('The ids of the tokens or incidents that it names.'),
    ...deliveryStanding,
  })
  .meta({ id: 'MailDelivery' });

export const mailDeliveryPage = page('MailDeliveryPage', mailDelivery);
