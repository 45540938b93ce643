import { isIP } from 'node:net';
import { isAllowed, mayReach } from './outgoing-address.js';

/** What is wrong with the address of a webhook, as far as it shows without resolving its name: each connection looks again. */
export function webhookUrlFault(text: string, allowedPrivateNetworks: readonly string[]): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return 'must be an https:// URL';
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if (text.includes('#')) return 'must not have a fragment';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const isAddress = isIP(host) !== 0;
  if (isAddress && !mayReach(host, allowedPrivateNetworks)) return 'must not be an address of a private network';
  if (url.protocol === 'http:' && !(isAddress && isAllowed(host, allowedPrivateNetworks))) {
    return 'must be an https:// URL';
  }
  return undefined;
}
