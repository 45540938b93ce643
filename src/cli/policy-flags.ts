import type { MinterRole, PolicyEnforcement, PolicyRequest } from '../sdk/index.js';
import { type ConstraintFlag, constraintKind } from './constraint-flags.js';
import { UsageError } from './usage-error.js';

/** What can be lifted, as the flags that bound it are called. */
export const POLICY_BOUNDS = [
  'longest-expiry-days',
  'allow-scope',
  'require',
  'allow-repository',
  'max-tokens-per-workflow',
  'minter',
  'freeze-unused-after-days',
  'all',
] as const;
export type PolicyBound = (typeof POLICY_BOUNDS)[number];

export interface PolicyFlags {
  file?: string;
  enforcement?: PolicyEnforcement;
  longestExpiryDays?: number;
  allowScope?: string[];
  require?: ConstraintFlag[];
  allowRepository?: string[];
  maxTokensPerWorkflow?: number;
  minter?: MinterRole[];
  freezeUnusedAfterDays?: number;
  lift?: PolicyBound[];
  yes?: true;
  json?: true;
}

/** A policy with what the flags name in the place of what it had. Refuses to bound and lift the same. */
export function withFlags(current: PolicyRequest, flags: PolicyFlags): PolicyRequest {
  const named: PolicyRequest = {
    longest_expiry_days: flags.longestExpiryDays,
    allowed_scopes: flags.allowScope,
    required_constraints: flags.require?.map(constraintKind),
    allowed_repositories: flags.allowRepository,
    max_tokens_per_workflow: flags.maxTokensPerWorkflow,
    minters: flags.minter,
    freeze_unused_after_days: flags.freezeUnusedAfterDays,
  };
  const given = Object.entries(named).filter(([, bound]) => bound !== undefined);
  const lifted = new Set((flags.lift ?? []).map(memberOf));
  const both = given.find(([member]) => lifted.has(member));
  if (both !== undefined) throw new UsageError(`${both[0]} is bounded and lifted at once: keep one`);
  const isClear = flags.lift?.includes('all') === true;
  const kept = Object.entries(isClear ? {} : current).filter(([member]) => !lifted.has(member));
  const enforcement = flags.enforcement ?? (isClear ? undefined : current.enforcement);
  return { ...Object.fromEntries([...kept, ...given]), enforcement };
}

function memberOf(bound: PolicyBound): string {
  switch (bound) {
    case 'longest-expiry-days':
      return 'longest_expiry_days';
    case 'allow-scope':
      return 'allowed_scopes';
    case 'require':
      return 'required_constraints';
    case 'allow-repository':
      return 'allowed_repositories';
    case 'max-tokens-per-workflow':
      return 'max_tokens_per_workflow';
    case 'minter':
      return 'minters';
    case 'freeze-unused-after-days':
      return 'freeze_unused_after_days';
    case 'all':
      return 'enforcement';
  }
}
