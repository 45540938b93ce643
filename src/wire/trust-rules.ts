import { z } from 'zod';
import { MAX_EXCHANGE_SECONDS, MIN_EXCHANGE_SECONDS, TRUST_PRESETS } from '../rules/trust-rule.js';
import { keyAlgorithms, showsPrivatePart } from '../rules/verify-key.js';
import { operation } from './operation.js';
import { constraints, cursor, limit, line, scopes, workflowLabel } from './primitives.js';
import { trustDryRun, trustRule, trustRulePage } from './trust-rule-answers.js';
import type { PublicJwk, TrustDryRunRequest, TrustRuleRequest } from './trust-rule-resources.js';

// Each rule that an issuer's token may meet is read with its keys.
const MAX_KEYS = 20;
const MAX_CLAIMS = 32;
const MAX_VALUES = 64;

const part = line(4_096).optional();

/** Loose, because other public members (`x5c`) may stand there: they are left out. */
const publicJwk = z
  .looseObject({
    kty: z.string(),
    kid: line(256).min(1),
    crv: part,
    x: part,
    y: part,
    n: part,
    e: part,
    alg: part,
    use: part,
    key_ops: z.array(line(32)).max(8).optional(),
  })
  .superRefine((key, context) => {
    if (showsPrivatePart(key)) context.addIssue('must be a public key: this one shows a private part');
    else if (keyAlgorithms(key).length === 0) {
      context.addIssue('must be a key to verify with: RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519');
    }
  })
  .transform(
    ({ kty, kid, crv, x, y, n, e, alg, use, key_ops }): PublicJwk => ({ kty, kid, crv, x, y, n, e, alg, use, key_ops }),
  )
  .meta({ id: 'PublicJwk', description: 'RFC 7517 section 4. Other members are left out.' });

const claimValue = line(512).min(1);
const claims = z
  .record(
    line(128).min(1),
    z.union([claimValue.transform((value) => [value]), z.array(claimValue).min(1).max(MAX_VALUES)]),
  )
  .refine((record) => Object.keys(record).length <= MAX_CLAIMS, `must have ${MAX_CLAIMS} claims at most`);

const issuer = line(512)
  .refine((text) => isIssuerUrl(text), 'must be an https:// URL without query and fragment')
  .meta({ format: 'uri' });

function isIssuerUrl(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s\\]/.test(text)) return false;
  const { protocol, username, password } = new URL(text);
  return /^https?:$/.test(protocol) && /^https?:\/\/[^/]/.test(text) && username === '' && password === '';
}

export const trustRuleRequest = z
  .strictObject({
    preset: z.enum(TRUST_PRESETS).optional(),
    issuer: issuer.optional().describe('Compared exactly. Default: the preset’s.'),
    audience: line(512)
      .min(1)
      .optional()
      .describe('What `aud` must be, alone. Default: the URL of this service, its `issuer`.'),
    claims: claims.describe(
      'What a token must claim: of each one of the values, exactly. `ref`, `ref_path`, `build_branch` and `build_tag` may be patterns with `*` and `**`. A `/` leads further down: `kubernetes.io/serviceaccount/uid`.',
    ),
    events: z
      .array(claimValue)
      .min(1)
      .max(MAX_VALUES)
      .optional()
      .describe('The same as the preset’s claim of it: `event_name`, `pipeline_source` or `build_source`.'),
    allow_forks: z
      .boolean()
      .default(false)
      .describe('Needed where the claims let in jobs that people without write access can start.'),
    workflow: workflowLabel.describe('Whose tokens are given.'),
    scopes: scopes
      .refine((list) => list.length > 0, 'must name a scope')
      .describe('Within what the workflow allows and what the caller may hand on.'),
    constraints: constraints.default({}),
    expires_in_seconds: z.int().min(MIN_EXCHANGE_SECONDS).max(MAX_EXCHANGE_SECONDS).default(MAX_EXCHANGE_SECONDS),
    jwks: z
      .strictObject({ keys: z.array(publicJwk).min(1).max(MAX_KEYS) })
      .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, 'must have a kid for each key')
      .optional()
      .describe('The issuer’s public keys, where nobody outside reaches it.'),
  })
  .meta({
    id: 'TrustRuleRequest',
    examples: [
      {
        preset: 'github_actions',
        claims: { repository_id: '74', ref: 'refs/heads/main' },
        events: ['push', 'schedule'],
        workflow: 'nightly',
        scopes: ['codex:exec'],
        expires_in_seconds: 900,
      },
    ],
  }) satisfies z.ZodType<unknown, TrustRuleRequest>;

export const trustDryRunRequest = z
  .strictObject({
    claims: z.record(z.string(), z.unknown()).describe('The payload of a platform’s token, without its signature.'),
  })
  .meta({
    id: 'TrustDryRunRequest',
    examples: [
      {
        claims: {
          iss: 'https://token.actions.githubusercontent.com',
          aud: 'https://countersign.example',
          repository_id: '74',
          ref: 'refs/heads/main',
          event_name: 'push',
        },
      },
    ],
  }) satisfies z.ZodType<TrustDryRunRequest>;

const tag = 'trust rules';

export const listTrustRulesOperation = operation({
  id: 'listTrustRules',
  method: 'get',
  path: '/v1/trust-rules',
  tag,
  summary: 'List trust rules by name',
  auth: 'bearer',
  scope: 'workflows:read',
  query: z.strictObject({ limit, cursor }),
  answers: { 200: { description: 'A page of trust rules', schema: trustRulePage } },
  refusals: [422],
});

export const showTrustRuleOperation = operation({
  id: 'showTrustRule',
  method: 'get',
  path: '/v1/trust-rules/{name}',
  tag,
  summary: 'Show a trust rule',
  auth: 'bearer',
  scope: 'workflows:read',
  answers: { 200: { description: 'The rule', schema: trustRule } },
  refusals: [],
});

export const putTrustRuleOperation = operation({
  id: 'putTrustRule',
  method: 'put',
  path: '/v1/trust-rules/{name}',
  tag,
  summary: 'Make a trust rule, or replace it',
  description:
    'Whoever sets a rule last is accountable for the tokens that it gives, and is their creator. A change revokes those that were given by the rule before. A rule that would trust all that an issuer signs is refused.',
  auth: 'bearer',
  scope: 'workflows:write',
  body: trustRuleRequest,
  answers: {
    200: { description: 'Replaced', schema: trustRule },
    201: { description: 'Made', schema: trustRule, headers: ['Location'] },
  },
  refusals: [415, 422],
});

export const removeTrustRuleOperation = operation({
  id: 'removeTrustRule',
  method: 'delete',
  path: '/v1/trust-rules/{name}',
  tag,
  summary: 'Remove a trust rule and revoke the tokens that it gave',
  auth: 'bearer',
  scope: 'workflows:write',
  answers: { 204: { description: 'Removed' } },
  refusals: [],
});

export const dryRunTrustRuleOperation = operation({
  id: 'dryRunTrustRule',
  method: 'post',
  path: '/v1/trust-rules/{name}/dry-run',
  tag,
  summary: 'Try what a trust rule says of a platform’s claims',
  description: 'Nothing is verified, given or stored: send the claims of a token, not the token.',
  auth: 'bearer',
  scope: 'workflows:read',
  body: trustDryRunRequest,
  answers: { 200: { description: 'Which claims match, and what would be given', schema: trustDryRun } },
  refusals: [415, 422],
});
