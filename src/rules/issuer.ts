import { isIP } from 'node:net';
import { addressIn } from './constraint.js';

/** Whether a text can be the address of an issuer: https, or http for a loopback host, without query, fragment and
 *  credentials. RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3. */
export function isIssuerUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || /[?#]/.test(text) || url.username !== '' || url.password !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname));
}

/** Whether a host is this machine: an address of the loopback network, bracketed or not, or a name that always means it
 *  (RFC 6761 section 6.3). */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) === 0) return bare === 'localhost' || bare.endsWith('.localhost');
  return addressIn('127.0.0.0/8', bare) || bare === '::1';
}
