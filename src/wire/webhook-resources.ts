import type { WebhookEvent } from '../rules/webhook.js';

export type { WebhookEvent };

export interface Webhook {
  id: string;
  /** Of the slack form only its host: the address is a secret itself. */
  url: string;
  form: 'standard' | 'slack';
  events: string[];
  description: string;
  created_at: string;
  /** The member who added it. */
  created_by: string;
  /** Since when it is sent nothing. */
  disabled_at: string | null;
}

/** A webhook with the secret that signs, which is shown this once; `null` for the slack form, which is not signed. */
export interface WebhookWithSecret extends Webhook {
  secret: string | null;
}

export interface WebhookRequest {
  url: string;
  events: WebhookEvent[];
  form?: 'standard' | 'slack' | undefined;
  description?: string | undefined;
}

export interface WebhookChangeRequest {
  url?: string | undefined;
  events?: WebhookEvent[] | undefined;
  description?: string | undefined;
  enabled?: boolean | undefined;
}

export type DeliveryStatus = 'pending' | 'delivered' | 'dead';

/** Where a message stands on its way. */
export interface DeliveryStanding {
  status: DeliveryStatus;
  attempts: number;
  created_at: string;
  last_attempt_at: string | null;
  next_attempt_at: string | null;
  /** Why the last attempt failed. */
  last_fault: string | null;
}

export interface Delivery extends DeliveryStanding {
  id: string;
  webhook_id: string;
  event: string;
  payload: Record<string, unknown>;
}
