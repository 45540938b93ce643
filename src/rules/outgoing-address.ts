import { isIP } from 'node:net';
import { addressIn, plainAddress } from './constraint.js';

/** Networks that are nobody's on the Internet: this host, private, carrier-grade NAT, link-local (where clouds keep their
 *  metadata), protocol assignments, benchmarks, documentation, multicast, reserved. IANA's special-purpose registry. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

// All that is handed out lies here: unique local, link-local, loopback, NAT64 and multicast addresses do not.
const GLOBAL_IPV6 = '2000::/3';
// Teredo and its like, documentation, and 6to4, in which any IPv4 address can be wrapped.
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/** Whether the service may connect to an address on somebody's word: a public one, or one inside of the networks that are
 *  allowed. An IPv4 address in the clothes of an IPv6 one counts as itself. */
export function mayReach(address: string, allowedNetworks: readonly string[]): boolean {
  if (address.includes('%')) return false;
  if (isAllowed(address, allowedNetworks)) return true;
  const plain = plainAddress(address);
  switch (isIP(plain)) {
    case 4:
      return !SPECIAL_IPV4.some((cidr) => addressIn(cidr, plain));
    case 6:
      return addressIn(GLOBAL_IPV6, plain) && !SPECIAL_IPV6.some((cidr) => addressIn(cidr, plain));
    default:
      return false;
  }
}

/** Whether an address lies inside of the networks that are allowed. */
export function isAllowed(address: string, allowedNetworks: readonly string[]): boolean {
  return allowedNetworks.some((cidr) => addressIn(cidr, address));
}
