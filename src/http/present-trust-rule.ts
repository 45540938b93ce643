import { printId } from '../rules/format.js';
import type { TrustVerdict } from '../rules/trust-exchange.js';
import { letsForksIn, sharedPreset } from '../rules/trust-preset.js';
import type { TrustRuleView } from '../store/trust-rules.js';
import type { TrustDryRun, TrustRule } from '../wire/trust-rule-resources.js';
import { presentConstraints, presentPerson } from './present.js';

/** A trust rule as the wire shows it. */
export function presentTrustRule({ rule, setter }: TrustRuleView): TrustRule {
  const preset = sharedPreset(rule.issuer) ?? rule.preset;
  return {
    id: printId('trl', rule.id),
    name: rule.name,
    preset: rule.preset ?? null,
    issuer: rule.issuer,
    audience: rule.audience,
    claims: Object.fromEntries(Object.entries(rule.claims).map(([claim, values]) => [claim, [...values]])),
    allow_forks: letsForksIn(preset, rule.claims) !== undefined,
    workflow: rule.workflow,
    scopes: [...rule.scopes],
    constraints: presentConstraints(rule.constraints),
    expires_in_seconds: rule.expiresInSeconds,
    jwks: rule.jwks
      ? { keys: rule.jwks.keys.map(({ key_ops: ops, ...key }) => ({ ...key, ...(ops ? { key_ops: [...ops] } : {}) })) }
      : null,
    created_by: presentPerson(setter),
    created_at: rule.createdAt.toISOString(),
    updated_at: rule.updatedAt.toISOString(),
  };
}

/** What a rule says of claims, as the wire shows it. */
export function presentVerdict({ rule }: TrustRuleView, verdict: TrustVerdict): TrustDryRun {
  const { checks, reasons, policyFaults } = verdict;
  const grant = policyFaults.length === 0 ? verdict.grant : undefined;
  return {
    verdict: grant ? 'match' : 'no_match',
    checks: checks.map(({ claim, expected, found, isMatch }) => {
      return { claim, expected: [...expected], found: found ?? null, matched: isMatch };
    }),
    reasons: [...reasons, ...policyFaults],
    grant: grant
      ? {
          workflow: rule.workflow,
          scopes: [...grant.scopes],
          constraints: presentConstraints(grant.constraints),
          expires_in_seconds: rule.expiresInSeconds,
        }
      : null,
  };
}
