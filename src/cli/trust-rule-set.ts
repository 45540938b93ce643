import type { TrustPreset, TrustRuleRequest } from '../sdk/index.js';
import { fieldErrors } from '../wire/primitives.js';
import { trustRuleRequest } from '../wire/trust-rules.js';
import { signedInClient } from './client.js';
import { type ConstraintFlags, constraintsOf } from './constraint-flags.js';
import { readJson } from './json-input.js';
import { say } from './output.js';
import { printable } from './printable.js';
import { printTrustRule } from './trust-rules.js';
import { UsageError } from './usage-error.js';

export interface TrustRuleFlags extends ConstraintFlags {
  preset?: TrustPreset;
  issuer?: string;
  audience?: string;
  claim?: string[];
  event?: string[];
  allowForks?: true;
  workflow?: string;
  scope?: string[];
  expiresInSeconds?: number;
  jwks?: string;
  file?: string;
  json?: true;
}

const FILE_HINT = 'countersign trust-rule set NAME --file rule.json';
const JWKS_HINT = 'kubectl get --raw /openid/v1/jwks | countersign trust-rule set NAME … --jwks -';

/** `trust-rule set`: makes a rule, or replaces the whole of it. */
export async function setTrustRule(name: string, flags: TrustRuleFlags): Promise<number> {
  const request = await requestOf(flags);
  const rule = await (await signedInClient()).trustRules.put(name, request);
  printTrustRule(rule, flags);
  if (!flags.json) say(`${printable(name)} is set: what it takes as the audience is ${printable(rule.audience)}.`);
  return 0;
}

async function requestOf(flags: TrustRuleFlags): Promise<TrustRuleRequest> {
  const { file, json: _, ...others } = flags;
  if (file === undefined) return checked(await fromFlags(flags), 'this is no trust rule');
  const [also] = Object.keys(others);
  if (also !== undefined) throw new UsageError('--file has the whole rule: no other flag goes with it but --json');
  return checked(await readJson(file, 'the trust rule', FILE_HINT), `${printable(file)} holds no trust rule`);
}

async function fromFlags(flags: TrustRuleFlags): Promise<unknown> {
  if (flags.workflow === undefined || flags.scope === undefined) {
    throw new UsageError('a trust rule needs --workflow and --scope, or --file');
  }
  return {
    preset: flags.preset,
    issuer: flags.issuer,
    audience: flags.audience,
    claims: claimsOf(flags.claim ?? []),
    events: flags.event,
    allow_forks: flags.allowForks,
    workflow: flags.workflow,
    scopes: flags.scope,
    constraints: constraintsOf(flags),
    expires_in_seconds: flags.expiresInSeconds,
    jwks: flags.jwks === undefined ? undefined : await readJson(flags.jwks, 'the keys', JWKS_HINT),
  };
}

function claimsOf(pairs: readonly string[]): Record<string, string[]> {
  const claims = new Map<string, string[]>();
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError(`--claim takes NAME=VALUE, not ${printable(pair)}`);
    const name = pair.slice(0, at);
    claims.set(name, [...(claims.get(name) ?? []), pair.slice(at + 1)]);
  }
  return Object.fromEntries(claims);
}

/** Finds faults of form before anything is sent; what a rule has to pin the service says. */
function checked(value: unknown, what: string): TrustRuleRequest {
  const parsed = trustRuleRequest.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = fieldErrors(parsed.error).map(({ pointer, detail }) => `${printable(pointer)} ${detail}`);
  throw new UsageError(`${what}: ${faults.join('; ')}`);
}
