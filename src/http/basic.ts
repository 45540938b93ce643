import type { Refusal } from '../rules/refusal.js';
import type { Exchange } from './exchange.js';

/** A request whose token came as the password of HTTP Basic, as one that sends it as Bearer: for programs that know no other
 *  way. The user's name says nothing. RFC 7617 section 2. */
export function basicAsBearer(exchange: Exchange): Exchange {
  const header = exchange.header('authorization');
  if (header === undefined || !/^basic(?: |$)/i.test(header)) return exchange;
  const encoded = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header)?.[1] ?? '';
  const [, password = ''] = /^[^:]*:(\S*)$/.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? [];
  return { ...exchange, header: (name) => (name === 'authorization' ? `Bearer ${password}` : exchange.header(name)) };
}

/** A refusal that offers HTTP Basic beside Bearer. */
export function offeringBasic(refusal: Refusal): Refusal {
  return refusal.kind === 'unauthenticated' ? { ...refusal, takesBasic: true } : refusal;
}
