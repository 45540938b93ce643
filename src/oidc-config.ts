import { z } from 'zod';
import { isIssuerUrl } from './rules/issuer.js';
import { type ProviderSettings, parseRolePairs } from './rules/sign-in.js';
import { isWorkflowLabel } from './rules/workflow.js';

const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** The variables of the OpenID provider, each by itself. */
export const oidcVariables = {
  COUNTERSIGN_OIDC_ISSUER: z
    .string()
    .refine(isIssuerUrl, 'an https:// URL without query and fragment (http:// for a loopback host only)')
    .optional(),
  COUNTERSIGN_OIDC_CLIENT_ID: z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'the client id that the provider gave')
    .optional(),
  COUNTERSIGN_OIDC_CLIENT_SECRET: z
    .string()
    .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/, 'the client secret that the provider gave')
    .optional(),
  COUNTERSIGN_OIDC_ALLOWED_DOMAINS: z
    .string()
    .transform((text) => text.split(',').map((one) => one.trim().toLowerCase()))
    .refine((list) => list.every((domain) => DOMAIN.test(domain)), 'domains parted by commas, such as acme.example')
    .default([]),
  COUNTERSIGN_OIDC_TRUST_EMAIL: z
    .enum(['true', 'false'], { error: 'true or false' })
    .transform((text) => text === 'true')
    .default(false),
  COUNTERSIGN_OIDC_WORKSPACE: z.string().refine(isWorkflowLabel, 'the slug of a workspace').optional(),
  COUNTERSIGN_OIDC_ROLE_CLAIM: z
    .string()
    .regex(/^[\x21-\x7e]{1,200}$/, 'the name of a claim')
    .optional(),
  COUNTERSIGN_OIDC_ROLES: z
    .string()
    .transform((text, context) => {
      const pairs = parseRolePairs(text);
      if (pairs !== undefined) return pairs;
      context.addIssue('value=role pairs parted by commas, each value once, roles: owner, admin, member, auditor');
      return z.NEVER;
    })
    .optional(),
};

export type OidcVariable = keyof typeof oidcVariables;
type Values = z.output<z.ZodObject<typeof oidcVariables>>;

/** Which variables of the provider need each other: what is said of one that stands alone. */
const NEEDS: readonly (readonly [OidcVariable, OidcVariable, string])[] = [
  ['COUNTERSIGN_OIDC_ISSUER', 'COUNTERSIGN_OIDC_CLIENT_ID', 'the client id that the provider gave'],
  ['COUNTERSIGN_OIDC_CLIENT_ID', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
  ['COUNTERSIGN_OIDC_CLIENT_SECRET', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
  ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
  ['COUNTERSIGN_OIDC_TRUST_EMAIL', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
  [
    'COUNTERSIGN_OIDC_TRUST_EMAIL',
    'COUNTERSIGN_OIDC_ALLOWED_DOMAINS',
    'domains parted by commas, such as acme.example',
  ],
  ['COUNTERSIGN_OIDC_WORKSPACE', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
  ['COUNTERSIGN_OIDC_ROLE_CLAIM', 'COUNTERSIGN_OIDC_ROLES', 'value=role pairs parted by commas'],
  ['COUNTERSIGN_OIDC_ROLES', 'COUNTERSIGN_OIDC_ROLE_CLAIM', 'the name of a claim'],
  ['COUNTERSIGN_OIDC_ROLES', 'COUNTERSIGN_OIDC_ISSUER', "the provider's https:// URL"],
];

/** Why the variables do not go together, in one line; `undefined` when they do. */
export function oidcFault(isSet: (name: OidcVariable) => boolean): string | undefined {
  const [found] = NEEDS.filter(([name, needed]) => isSet(name) && !isSet(needed));
  if (found === undefined) return undefined;
  const [name, needed, accepted] = found;
  return `${needed} is not set, but ${name} is: it accepts ${accepted}`;
}

/** Puts the variables together; `undefined` when there is no provider. */
export function oidcSettings(values: Values): ProviderSettings | undefined {
  const { COUNTERSIGN_OIDC_ISSUER: issuer, COUNTERSIGN_OIDC_CLIENT_ID: clientId } = values;
  if (issuer === undefined || clientId === undefined) return undefined;
  const { COUNTERSIGN_OIDC_ROLE_CLAIM: claim, COUNTERSIGN_OIDC_ROLES: pairs } = values;
  return {
    issuer,
    clientId,
    clientSecret: values.COUNTERSIGN_OIDC_CLIENT_SECRET,
    allowedDomains: values.COUNTERSIGN_OIDC_ALLOWED_DOMAINS,
    isEmailTrusted: values.COUNTERSIGN_OIDC_TRUST_EMAIL,
    workspace: values.COUNTERSIGN_OIDC_WORKSPACE,
    roles: claim === undefined || pairs === undefined ? undefined : { claim, pairs },
  };
}
