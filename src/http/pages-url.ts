import type { Exchange } from './exchange.js';

/** Where the pages are, without a slash at the end: at the issuer. An address of the loopback network stands as `localhost`
 *  there, because a passkey belongs to a name and browsers give none to an address (Web Authentication section 5.1.2). */
export function pagesUrl(issuer: string): string {
  const url = new URL(issuer);
  if (/^(?:127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) url.hostname = 'localhost';
  return url.href.replace(/\/+$/, '');
}

/** Where a browser belongs that came by the issuer's own address when the pages have another: a cookie of one host is not
 *  sent to the other. `undefined` when it is there. */
export function properAddress(issuer: string, exchange: Exchange): string | undefined {
  const [asked, pages] = [new URL(issuer).host, pagesUrl(issuer)];
  const isStray = asked !== new URL(pages).host && exchange.header('host') === asked;
  return isStray ? pages + exchange.path + exchange.search : undefined;
}
