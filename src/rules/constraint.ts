import { BlockList, isIP } from 'node:net';
import { containsGlob, isGlob, matchesGlob } from './glob.js';

export const CONSTRAINT_KINDS = ['repositories', 'refs', 'environments', 'runners', 'networks'] as const;
export type ConstraintKind = (typeof CONSTRAINT_KINDS)[number];

/** Where a token may be used. A kind that is absent does not constrain; an empty list lets nothing through. */
export type Constraints = { readonly [Kind in ConstraintKind]?: readonly string[] | undefined };

/** A runner as constraints see it: a pattern may match its name or any of its labels. */
export interface RunnerPlace {
  readonly name: string;
  readonly labels: readonly string[];
}

/** What is known of the place a job wants to run in. `runner` is the runner that was proven, never one that was claimed;
 *  `address` is the caller's. */
export interface RunContext {
  readonly repository?: string | undefined;
  readonly ref?: string | undefined;
  readonly environment?: string | undefined;
  readonly runner?: RunnerPlace | undefined;
  readonly address?: string | undefined;
}

/** One kind of constraint that a run does not meet. */
export interface ConstraintFault {
  readonly kind: ConstraintKind;
  readonly isMissing: boolean;
}

/** Whether a text is a pattern of this kind. Networks are CIDRs, the others globs; a repository has 2 or 3 segments
 *  (`owner/name`, `host/owner/name`) or a `**`; a ref is full (`refs/…`) or starts with a wildcard. */
export function isConstraintPattern(kind: ConstraintKind, text: string): boolean {
  switch (kind) {
    case 'networks':
      return parseCidr(text) !== undefined;
    case 'repositories': {
      const segments = text.split('/');
      return isGlob(text) && (segments.includes('**') || segments.length === 2 || segments.length === 3);
    }
    case 'refs':
      return isGlob(text) && (text.startsWith('refs/') || text.startsWith('*'));
    case 'environments':
    case 'runners':
      return isGlob(text);
  }
}

/** Names each constraint that the context does not meet. What the context does not say is not met; an empty text says
 *  nothing. */
export function constraintFaults(constraints: Constraints, context: RunContext): ConstraintFault[] {
  return CONSTRAINT_KINDS.flatMap((kind): ConstraintFault[] => {
    const patterns = constraints[kind];
    if (patterns === undefined) return [];
    const said = valuesOf(kind, context).filter((value) => value !== '');
    if (said.length === 0) return [{ kind, isMissing: true }];
    const isMet = said.some((value) => patterns.some((pattern) => matchesPattern(kind, pattern, value)));
    return isMet ? [] : [{ kind, isMissing: false }];
  });
}

/** What the context says of a kind. One of several is enough: a runner's name, or any of its labels. */
function valuesOf(kind: ConstraintKind, context: RunContext): readonly string[] {
  switch (kind) {
    case 'repositories':
      return only(context.repository);
    case 'refs':
      return only(context.ref);
    case 'environments':
      return only(context.environment);
    case 'runners':
      return context.runner === undefined ? [] : [context.runner.name, ...context.runner.labels];
    case 'networks':
      return only(context.address);
  }
}

function only(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value];
}

/** Whether every run that `inner` lets through is let through by `outer`. Never yes when it is not so. */
export function withinConstraints(inner: Constraints, outer: Constraints): boolean {
  return widerKinds(inner, outer).length === 0;
}

/** The kinds in which `inner` reaches further than `outer`. */
export function widerKinds(inner: Constraints, outer: Constraints): ConstraintKind[] {
  return CONSTRAINT_KINDS.filter((kind) => {
    const outerPatterns = outer[kind];
    if (outerPatterns === undefined) return false;
    const innerPatterns = inner[kind];
    if (innerPatterns === undefined) return true;
    return !innerPatterns.every((one) => outerPatterns.some((other) => containsPattern(kind, other, one)));
  });
}

/** What both let through, kind by kind: the patterns of each that lie within the other. Never wider than either. */
export function narrowConstraints(a: Constraints, b: Constraints): Constraints {
  const narrowed: { -readonly [Kind in ConstraintKind]?: Constraints[Kind] } = {};
  for (const kind of CONSTRAINT_KINDS) {
    const left = a[kind];
    const right = b[kind];
    const patterns = left && right ? commonPatterns(kind, left, right) : (left ?? right);
    if (patterns !== undefined) narrowed[kind] = patterns;
  }
  return narrowed;
}

function commonPatterns(kind: ConstraintKind, left: readonly string[], right: readonly string[]): string[] {
  const ofLeft = left.filter((one) => right.some((other) => containsPattern(kind, other, one)));
  const ofRight = right.filter((one) => left.some((other) => containsPattern(kind, other, one)));
  return [...new Set([...ofLeft, ...ofRight])];
}

function matchesPattern(kind: ConstraintKind, pattern: string, value: string): boolean {
  return kind === 'networks' ? addressIn(pattern, value) : matchesGlob(pattern, value);
}

function containsPattern(kind: ConstraintKind, outer: string, inner: string): boolean {
  if (kind !== 'networks') return containsGlob(outer, inner);
  const wide = parseCidr(outer);
  const narrow = parseCidr(inner);
  return wide !== undefined && narrow !== undefined && narrow.bits >= wide.bits && addressIn(outer, narrow.address);
}

/** Whether an address lies in a network. An IPv4 address that arrived on an IPv6 socket counts as IPv4. */
export function addressIn(cidr: string, address: string): boolean {
  const network = parseCidr(cidr);
  const plain = plainAddress(address);
  const family = ipFamily(plain);
  if (network === undefined || family !== network.family) return false;
  const list = new BlockList();
  list.addSubnet(network.address, network.bits, network.family);
  return list.check(plain, family);
}

/** An IPv4 address that arrived on an IPv6 socket (`::ffff:10.0.0.1`, in any of its spellings) in its own form; others
 *  as they are. */
export function plainAddress(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address;
  const { hostname } = new URL(`http://[${address}]`);
  const [, high, low] = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname) ?? [];
  if (high === undefined || low === undefined) return address;
  const halves = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return halves.flatMap((half) => [half >> 8, half & 0xff]).join('.');
}

interface Network {
  readonly address: string;
  readonly bits: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Reads `10.0.0.0/8` or `2001:db8::/32`. A bare address is not a network; nor is a mapped IPv4 address one. Bits
 *  beyond the prefix do not count: `10.1.2.3/8` is `10.0.0.0/8`. */
export function parseCidr(text: string): Network | undefined {
  const parts = /^([0-9a-fA-F.:]{2,45})\/(0|[1-9]\d{0,2})$/.exec(text);
  const [, address = '', bitsText = ''] = parts ?? [];
  const family = ipFamily(address);
  const bits = Number(bitsText);
  if (family === undefined || plainAddress(address) !== address) return undefined;
  return bits > (family === 'ipv4' ? 32 : 128) ? undefined : { address, bits, family };
}

function ipFamily(address: string): 'ipv4' | 'ipv6' | undefined {
  const version = isIP(address);
  return version === 4 ? 'ipv4' : version === 6 ? 'ipv6' : undefined;
}
