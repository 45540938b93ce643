import type { DeliveryStatus } from './webhook-resources.js';

/** A mail that is on its way, or was. */
export interface MailDelivery {
  id: string;
  recipient: string;
  /** What it is about: `token.expiring` or `incident.opened`. */
  event: string;
  subject: string;
  /** The ids of the tokens or incidents that it names. */
  targets: string[];
  status: DeliveryStatus;
  attempts: number;
  created_at: string;
  last_attempt_at: string | null;
  next_attempt_at: string | null;
  /** Why the last attempt failed. */
  last_fault: string | null;
}
