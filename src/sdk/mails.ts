import { mailDelivery, mailDeliveryPage } from '../wire/mail-answers.js';
import type { MailDelivery } from '../wire/mail-resources.js';
import type { Page } from '../wire/resources.js';
import { type ClientOptions, sendFor } from './transport.js';
import type { DeliveryQuery } from './webhooks.js';

/** What was sent by e-mail. */
export interface MailsClient {
  list(query?: DeliveryQuery): Promise<Page<MailDelivery>>;
  /** Sends a mail that is over once more. */
  replay(id: string): Promise<MailDelivery>;
}

export function mailsClient(options: ClientOptions): MailsClient {
  const path = '/v1/mail-deliveries';
  return {
    list: (query) => sendFor(options, { method: 'GET', path, query: { ...query } }, mailDeliveryPage),
    replay: (id) =>
      sendFor(options, { method: 'POST', path: `${path}/${encodeURIComponent(id)}/replay` }, mailDelivery),
  };
}
