import { z } from 'zod';
import { TRUST_PRESETS } from '../rules/trust-rule.js';
import { page, person, shownConstraints, timestamp } from './answers.js';
import type { PublicJwk, TrustDryRun, TrustRule } from './trust-rule-resources.js';

const text = z.string().optional();

const shownJwk: z.ZodType<PublicJwk> = z
  .object({
    kty: z.string(),
    kid: z.string(),
    crv: text,
    x: text,
    y: text,
    n: text,
    e: text,
    alg: text,
    use: text,
    key_ops: z.array(z.string()).optional(),
  })
  .meta({ id: 'ShownPublicJwk' });

export const trustRule: z.ZodType<TrustRule> = z
  .object({
    id: z.string(),
    name: z.string(),
    preset: z.enum(TRUST_PRESETS).nullable(),
    issuer: z.string(),
    audience: z.string(),
    claims: z.record(z.string(), z.array(z.string())).describe('What a token must claim: one of the values of each.'),
    allow_forks: z.boolean().describe('Whether the claims let in what people without write access start.'),
    workflow: z.string().describe('The label of the workflow whose tokens are given.'),
    scopes: z.array(z.string()),
    constraints: shownConstraints,
    expires_in_seconds: z.int(),
    jwks: z
      .object({ keys: z.array(shownJwk) })
      .nullable()
      .describe('The issuer’s keys; `null` where they are fetched.'),
    created_by: person.describe('Who set it last: accountable for the tokens that it gives.'),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: 'TrustRule' });

export const trustRulePage = page('TrustRulePage', trustRule);

export const trustDryRun: z.ZodType<TrustDryRun> = z
  .object({
    verdict: z.enum(['match', 'no_match']),
    checks: z
      .array(
        z.object({
          claim: z.string(),
          expected: z.array(z.string()),
          found: z.string().nullable(),
          matched: z.boolean(),
        }),
      )
      .describe('Each claim that is asked for, `iss` and `aud` first.'),
    reasons: z.array(z.string()).describe('What else speaks against it.'),
    grant: z
      .object({
        workflow: z.string(),
        scopes: z.array(z.string()),
        constraints: shownConstraints,
        expires_in_seconds: z.int(),
      })
      .nullable()
      .describe('What a token would be given.'),
  })
  .meta({ id: 'TrustDryRun' });
