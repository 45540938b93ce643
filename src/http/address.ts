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

function isTrusted(address: string, trustedProxies: readonly string[]): boolean {
  return trustedProxies.some((cidr) => addressIn(cidr, address));
}

function isAddress(text: string): boolean {
  return addressIn('0.0.0.0/0', text) || addressIn('::/0', text);
}
