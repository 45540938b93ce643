import { addressIn, plainAddress } from '../rules/constraint.js';

/** The address of the caller: the peer of the connection, or, behind trusted proxies, the last address in
 *  `X-Forwarded-For` that is not one of theirs. What an untrusted peer claims is not believed. */
export function clientAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: readonly string[],
): string | undefined {
  let address = peer === undefined ? undefined : plainAddress(peer);
  const hops = forwardedFor?.split(',').map((hop) => hop.trim()) ?? [];
  while (address !== undefined && hops.length > 0 && isTrusted(address, trustedProxies)) {
    const hop = plainAddress(hops.pop() ?? '');
    if (!isAddress(hop)) return address;
    address = hop;
  }
  return address;
}

/** What is counted as one caller by its address: an IPv4 address, or the first 64 bits of an IPv6 one, of which a single
 *  host has as many as it likes. */
export function callerNetwork(address: string | undefined): string {
  if (address === undefined || !address.includes(':')) return address ?? 'unknown';
  const [head = '', tail] = address.replace(/%.*/, '').split('::');
  const groups = head.split(':').filter((group) => group !== '');
  const rest = tail === undefined ? [] : tail.split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: Math.max(0, 8 - groups.length - rest.length) }, () => '0');
  const all = tail === undefined ? groups : [...groups, ...zeros, ...rest];
  return all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

function isTrusted(address: string, trustedProxies: readonly string[]): boolean {
  return trustedProxies.some((cidr) => addressIn(cidr, address));
}

function isAddress(text: string): boolean {
  return addressIn('0.0.0.0/0', text) || addressIn('::/0', text);
}
