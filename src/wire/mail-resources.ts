import type { DeliveryStanding } from './webhook-resources.js';

/** A mail that is on its way, or was. */
export interface MailDelivery extends DeliveryStanding {
  id: string;
  recipient: string;
  /** What it is about: `token.expiring` or `incident.opened`. */
  event: string;
  subject: string;
  /** The ids of the tokens or incidents that it names. */
  targets: string[];
}
