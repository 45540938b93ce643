import { DEVICE_CLIENT_ID } from '../rules/device.js';
import { type Refusal, refuse } from '../rules/refusal.js';
import type { Form } from './body.js';
import type { Exchange } from './exchange.js';

/** Why the client of a request is not the command line, the one client that there is; `undefined` when it is. It is a public
 *  client: a password that it sends by HTTP Basic is refused with 401 and that scheme. RFC 6749 sections 2.1 and 5.2. */
export function clientFault(
  exchange: Exchange,
  form: Form,
): { readonly ok: false; readonly refusal: Refusal } | undefined {
  if (/^basic(?: |$)/i.test(exchange.header('authorization') ?? '')) {
    return refuse({ kind: 'unauthenticated', hasCredentials: true, scheme: 'Basic' });
  }
  const id = form['client_id'];
  if (id === undefined) return refuse({ kind: 'oauth', error: 'invalid_request', detail: 'client_id is missing' });
  if (id === DEVICE_CLIENT_ID) return undefined;
  return refuse({ kind: 'oauth', error: 'invalid_client', detail: `the only client is ${DEVICE_CLIENT_ID}` });
}
