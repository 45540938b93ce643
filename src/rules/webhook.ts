/** What a webhook is sent: the form of Standard Webhooks, signed, or a text that chat systems show. */
export type WebhookForm = 'standard' | 'slack';

/** Where a message stands. `dead`: three days were not enough. */
export type DeliveryStatus = 'pending' | 'delivered' | 'dead';
