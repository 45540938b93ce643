import { isGlob, matchesGlob } from './glob.js';
import type { Claims } from './trust-rule.js';

/** The claims of a platform's token, as they came. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** One claim that a rule asks for, beside what a token says. */
export interface ClaimCheck {
  readonly claim: string;
  readonly expected: readonly string[];
  /** `undefined` where the token does not say. */
  readonly found: string | undefined;
  readonly isMatch: boolean;
}

// Names of branches and tags: what people change. Ids and owners are compared exactly, always.
const GLOB_CLAIMS: ReadonlySet<string> = new Set(['ref', 'ref_path', 'build_branch', 'build_tag']);

/** Whether the values of a claim may be patterns: `*` and `**` as in constraints, matched in linear time. */
export function mayBeGlob(claim: string): boolean {
  return GLOB_CLAIMS.has(claim);
}

/** Why a value cannot be asked for; `undefined` when it can. */
export function claimValueFault(claim: string, value: string): string | undefined {
  if (!value.includes('*')) return undefined;
  if (!mayBeGlob(claim)) return `is compared exactly: only ${[...GLOB_CLAIMS].join(', ')} may be patterns`;
  return isGlob(value) ? undefined : 'must be a pattern, such as refs/heads/release/*';
}

/** Whether a value of a pattern claim says something: it is not `*`, `**` or `refs/**` and so on. */
export function narrows(value: string): boolean {
  const fixed = value.split('*', 1)[0] ?? '';
  return fixed !== '' && !['refs', 'refs/'].includes(fixed);
}

/** What a token says of a claim, as a text: a text itself, or the JSON of a number or a truth value. A name with slashes
 *  leads further down, where no claim has the whole name: `kubernetes.io/serviceaccount/uid`. Lists and objects say
 *  nothing, nor does an empty text. */
export function claimText(claims: TokenClaims, name: string): string | undefined {
  const value = Object.hasOwn(claims, name) ? claims[name] : below(claims, name.split('/'));
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'boolean' || Number.isSafeInteger(value) ? String(value) : undefined;
}

function below(claims: TokenClaims, path: readonly string[]): unknown {
  let at: unknown = claims;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, key)) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}

/** Each claim of a rule, by name, beside what a token says. All of them must match. */
export function checkClaims(expected: Claims, claims: TokenClaims): ClaimCheck[] {
  const byName = Object.entries(expected).sort(([a], [b]) => (a < b ? -1 : 1));
  return byName.map(([claim, values]) => {
    const found = claimText(claims, claim);
    const isMatch = found !== undefined && values.some((value) => matchesClaim(claim, value, found));
    return { claim, expected: values, found, isMatch };
  });
}

function matchesClaim(claim: string, value: string, found: string): boolean {
  return mayBeGlob(claim) && value.includes('*') ? matchesGlob(value, found) : value === found;
}
