/** Where the pages are, without a slash at the end: at the issuer. An address of the loopback network stands as `localhost`
 *  there, because a passkey belongs to a name and browsers give none to an address (Web Authentication section 5.1.2). */
export function pagesUrl(issuer: string): string {
  const url = new URL(issuer);
  if (/^(?:127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)) url.hostname = 'localhost';
  return url.href.replace(/\/+$/, '');
}
