import { createHmac, hkdfSync } from 'node:crypto';
import { printId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { SECRET_OVERLAP_SECONDS } from '../rules/webhook.js';
import type { WebhookRow } from '../store/webhooks.js';

/** Signs what webhooks are sent, as Standard Webhooks has it. The secrets are derived each time and kept nowhere. */
export interface WebhookSignatures {
  /** The secret of a webhook as its receiver wants it: `whsec_` and 32 bytes in base64. */
  secret(webhook: Pick<WebhookRow, 'id' | 'secretVersion'>): string;
  /** The headers of a message. Within a day of a rotation the secret of before signs too, and so do older keys of the service
   *  while it has them. */
  headers(message: SignedMessage): Readonly<Record<string, string>>;
}

export interface SignedMessage {
  readonly webhook: Pick<WebhookRow, 'id' | 'secretVersion'>;
  readonly rotatedAt: Date | undefined;
  readonly messageId: string;
  readonly body: string;
  readonly now: Date;
}

const SECRET_BYTES = 32;

/** Derives the secrets from keys that every node has: the first makes those that are shown. */
export function createWebhookSignatures(keys: readonly [Buffer, ...(readonly Buffer[])]): WebhookSignatures {
  const [current] = keys;
  return {
    secret: ({ id, secretVersion }) => `whsec_${derive(current, id, secretVersion).toString('base64')}`,
    headers: ({ webhook, rotatedAt, messageId, body, now }) => {
      const { id, secretVersion } = webhook;
      const isOverlap = rotatedAt !== undefined && now < addSeconds(rotatedAt, SECRET_OVERLAP_SECONDS);
      const versions = isOverlap ? [secretVersion, secretVersion - 1] : [secretVersion];
      const timestamp = String(Math.floor(now.getTime() / 1000));
      const signed = `${messageId}.${timestamp}.${body}`;
      const signatures = keys.flatMap((key) =>
        versions.map((version) =>
          createHmac('sha256', derive(key, id, version))
            .update(signed)
            .digest('base64'),
        ),
      );
      return {
        'webhook-id': messageId,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures.map((signature) => `v1,${signature}`).join(' '),
      };
    },
  };
}

function derive(key: Buffer, id: WebhookRow['id'], version: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', `countersign webhook ${printId('whk', id)} ${version}`, SECRET_BYTES));
}
