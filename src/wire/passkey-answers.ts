import { z } from 'zod';
import { page, timestamp } from './answers.js';
import type { Passkey, PasskeyLink, StepUp } from './passkey-resources.js';

const passkey: z.ZodType<Passkey> = z
  .object({
    id: z.string(),
    name: z.string(),
    member_id: z.string().describe('Whose it is: `mem_…`.'),
    created_at: timestamp,
    last_used_at: timestamp.nullable(),
  })
  .meta({ id: 'Passkey' });

export const passkeyPage = page('PasskeyPage', passkey);

export const passkeyLink: z.ZodType<PasskeyLink> = z
  .object({
    url: z.string().describe('Open it in a browser. What stands behind the `#` is a secret, and good once.'),
    expires_at: timestamp,
  })
  .meta({ id: 'PasskeyLink' });

export const stepUp: z.ZodType<StepUp> = z
  .object({
    id: z.string(),
    act: z.string(),
    status: z
      .enum(['pending', 'confirmed', 'denied', 'expired'])
      .describe('Once `confirmed`, the calling token may do dangerous things for five minutes.'),
    verification_uri: z.string().describe('Where the person confirms or denies it, signed in.'),
    expires_at: timestamp,
    interval_seconds: z.int().describe('How long to wait between two questions.'),
  })
  .meta({ id: 'StepUp' });
