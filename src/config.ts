import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { type SigningKeySet, signingKeySet } from './http/jwt.js';
import { LOG_LEVELS, type LogLevel } from './http/log.js';
import { oidcFault, oidcSettings, oidcVariables } from './oidc-config.js';
import { parseCidr } from './rules/constraint.js';
import { isIssuerUrl, isLoopbackHost } from './rules/issuer.js';
import type { MailSettings } from './rules/mail.js';
import type { ProviderSettings } from './rules/sign-in.js';
import { mailSettings, smtpFault, smtpVariables } from './smtp-config.js';
import { readDatabaseUrl } from './store/database-url.js';
import type { Pepper } from './store/secret.js';

/** How the service runs: read once from the environment. */
export interface Config {
  /** `undefined` means the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  /** A connection that no transaction-mode pooler shares. */
  readonly databaseDirectUrl: string | undefined;
  readonly databasePrepare: boolean;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly workers: number;
  readonly dataDir: string;
  /** The directory of the revocation journal; `undefined`: there is none. */
  readonly revocationJournal: string | undefined;
  /** Whether a start does without the journal that the database has had. */
  readonly startsWithoutJournal: boolean;
  /** `undefined`: the one in the data directory, made when it is missing. */
  readonly peppers: readonly [Pepper, ...Pepper[]] | undefined;
  readonly signingKeys: SigningKeySet | undefined;
  /** `undefined`: made from host and port. */
  readonly issuer: string | undefined;
  readonly trustedProxies: readonly string[];
  /** CIDRs of private networks in which issuers of trust rules may be. */
  readonly allowedPrivateNetworks: readonly string[];
  /** Where the keys of GitHub's secret scanning are. `undefined`: where GitHub publishes them. */
  readonly githubKeysUrl: string | undefined;
  /** What a GitLab shows that reports leaks. `undefined`: none does. */
  readonly gitlabToken: string | undefined;
  readonly logLevel: LogLevel;
  /** `undefined`: nobody signs in by an OpenID provider. */
  readonly oidc: ProviderSettings | undefined;
  /** `undefined`: no mail is sent. */
  readonly mail: MailSettings | undefined;
}

/** A value that the service cannot run with. The message is one line that names the variable and what it accepts; the
 *  value of a secret is never in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLES = [
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'DATABASE_PREPARE',
  'HOST',
  'PORT',
  'COUNTERSIGN_WORKERS',
  'COUNTERSIGN_DATA_DIR',
  'COUNTERSIGN_REVOCATION_JOURNAL',
  'COUNTERSIGN_START_WITHOUT_JOURNAL',
  'COUNTERSIGN_PEPPER',
  'COUNTERSIGN_SIGNING_KEYS',
  'COUNTERSIGN_ISSUER',
  'COUNTERSIGN_TRUSTED_PROXIES',
  'COUNTERSIGN_ALLOWED_PRIVATE_NETWORKS',
  'COUNTERSIGN_GITHUB_KEYS_URL',
  'COUNTERSIGN_GITLAB_REVOCATION_TOKEN',
  'LOG_LEVEL',
  'COUNTERSIGN_OIDC_ISSUER',
  'COUNTERSIGN_OIDC_CLIENT_ID',
  'COUNTERSIGN_OIDC_CLIENT_SECRET',
  'COUNTERSIGN_OIDC_ALLOWED_DOMAINS',
  'COUNTERSIGN_OIDC_TRUST_EMAIL',
  'COUNTERSIGN_OIDC_WORKSPACE',
  'COUNTERSIGN_OIDC_ROLE_CLAIM',
  'COUNTERSIGN_OIDC_ROLES',
  'COUNTERSIGN_SMTP_URL',
  'COUNTERSIGN_MAIL_FROM',
] as const;
type Variable = (typeof VARIABLES)[number];

/** Those whose value is not repeated in an error, and which can be given as `NAME_FILE`. */
const SECRETS: ReadonlySet<string> = new Set([
  'DATABASE_URL',
  'DATABASE_DIRECT_URL',
  'COUNTERSIGN_PEPPER',
  'COUNTERSIGN_SIGNING_KEYS',
  'COUNTERSIGN_GITLAB_REVOCATION_TOKEN',
  'COUNTERSIGN_OIDC_CLIENT_SECRET',
  'COUNTERSIGN_SMTP_URL',
]);

const PEPPER = /^([A-Za-z0-9._-]{1,64}):([A-Za-z0-9+/]{43}=)$/;

const databaseUrl = z
  .string()
  .refine((text) => readDatabaseUrl(text) !== undefined, 'a postgres:// URL')
  .optional();

const wholeNumber = (least: number, most: number) =>
  z
    .string()
    .refine((text) => /^\d{1,5}$/.test(text) && Number(text) >= least && Number(text) <= most, {
      error: `a whole number from ${least} to ${most}`,
    })
    .transform(Number);

export const peppers = z.string().transform((text, context): readonly [Pepper, ...Pepper[]] => {
  const parsed = text.split(',').map((one): Pepper | undefined => {
    const [, kid, key] = PEPPER.exec(one.trim()) ?? [];
    return kid === undefined || key === undefined ? undefined : { kid, key: Buffer.from(key, 'base64') };
  });
  const [current, ...others] = parsed.filter((one) => one !== undefined);
  const isUnique = new Set(parsed.map((one) => one?.kid)).size === parsed.length;
  if (current !== undefined && others.length + 1 === parsed.length && isUnique) return [current, ...others];
  context.addIssue('kid:base64-of-32-bytes, several with different kids parted by commas');
  return z.NEVER;
});

export const signingKeys = z.string().transform((text, context): SigningKeySet => {
  const parsed = signingKeySet.safeParse(jsonOf(text));
  if (parsed.success && areSound(parsed.data)) return parsed.data;
  context.addIssue('a private JWK set {"keys":[…]} of Ed25519 or P-256 keys, the first one current');
  return z.NEVER;
});

/** Whether each key is one, its public half the one of its private half, and no two have the same name. */
function areSound({ keys }: SigningKeySet): boolean {
  const names = new Set(keys.map((key) => key.kid ?? key.x));
  return names.size === keys.length && keys.every(isKeyPair);
}

function isKeyPair(key: SigningKeySet['keys'][number]): boolean {
  try {
    const { x, y } = createPublicKey(createPrivateKey({ key, format: 'jwk' })).export({ format: 'jwk' });
    return x === key.x && (key.kty === 'OKP' || y === key.y);
  } catch {
    return false;
  }
}

const issuer = z
  .string()
  .refine(isIssuerUrl, 'an https:// URL without query and fragment (http:// for a loopback host only)')
  .transform((text) => text.replace(/\/+$/, ''))
  .optional();

const cidrs = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .refine((list) => list.every((cidr) => parseCidr(cidr) !== undefined), 'CIDRs parted by commas, such as 10.0.0.0/8')
  .default([]);

const START_WITHOUT_JOURNAL = 'yes-revoked-tokens-may-live';
const path = z.string().refine((text) => !text.includes('\0'), 'a path');
const whole = (text: string) => (isAbsolute(text) ? text : join(process.cwd(), text));

const schema = z.object({
  DATABASE_URL: databaseUrl,
  DATABASE_DIRECT_URL: databaseUrl,
  DATABASE_PREPARE: z
    .enum(['true', 'false'], { error: 'true or false' })
    .default('true')
    .transform((text) => text === 'true'),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:-]{1,253}$/, 'an address or a host name')
    .default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(8787),
  COUNTERSIGN_WORKERS: wholeNumber(1, 64).default(1),
  COUNTERSIGN_DATA_DIR: path.default('.countersign').transform(whole),
  COUNTERSIGN_REVOCATION_JOURNAL: path.transform(whole).optional(),
  COUNTERSIGN_START_WITHOUT_JOURNAL: z
    .literal(START_WITHOUT_JOURNAL, { error: `${START_WITHOUT_JOURNAL}, or nothing` })
    .optional(),
  COUNTERSIGN_PEPPER: peppers.optional(),
  COUNTERSIGN_SIGNING_KEYS: signingKeys.optional(),
  COUNTERSIGN_ISSUER: issuer,
  COUNTERSIGN_TRUSTED_PROXIES: cidrs,
  COUNTERSIGN_ALLOWED_PRIVATE_NETWORKS: cidrs,
  COUNTERSIGN_GITHUB_KEYS_URL: z
    .string()
    .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'an https:// URL')
    .optional(),
  COUNTERSIGN_GITLAB_REVOCATION_TOKEN: z
    .string()
    .regex(/^[!-~]{32,256}$/, '32 to 256 characters of ASCII without spaces')
    .optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` }).default('info'),
  ...oidcVariables,
  ...smtpVariables,
});

/** Reads the configuration. An empty variable counts as not set. Throws {@link ConfigError} at the first bad value. */
export function readConfig(environment: Environment): Config {
  const values = Object.fromEntries(VARIABLES.map((name) => [name, settingOf(environment, name)]));
  const parsed = schema.safeParse(values);
  if (!parsed.success) throw new ConfigError(explain(values, parsed.error));
  const it = parsed.data;
  const isSet = (name: Variable) => values[name] !== undefined;
  const apart = oidcFault(isSet) ?? smtpFault(isSet);
  if (apart !== undefined) throw new ConfigError(apart);
  if (it.DATABASE_DIRECT_URL !== undefined && it.DATABASE_URL === undefined) {
    throw new ConfigError(
      'DATABASE_DIRECT_URL is set, but DATABASE_URL is not: it accepts the direct way to the same database',
    );
  }
  if (it.DATABASE_URL !== undefined) {
    for (const name of ['COUNTERSIGN_PEPPER', 'COUNTERSIGN_SIGNING_KEYS'] as const) {
      if (it[name] === undefined) {
        throw new ConfigError(
          `${name} is not set: it is needed with DATABASE_URL, so that every node has the same; it accepts ${ACCEPTED[name]}`,
        );
      }
    }
  }
  return {
    databaseUrl: it.DATABASE_URL,
    databaseDirectUrl: it.DATABASE_DIRECT_URL ?? it.DATABASE_URL,
    databasePrepare: it.DATABASE_PREPARE,
    host: it.HOST,
    port: it.PORT,
    workers: it.COUNTERSIGN_WORKERS,
    dataDir: it.COUNTERSIGN_DATA_DIR,
    revocationJournal:
      it.COUNTERSIGN_REVOCATION_JOURNAL ??
      (it.DATABASE_URL === undefined ? join(it.COUNTERSIGN_DATA_DIR, 'revocations') : undefined),
    startsWithoutJournal: it.COUNTERSIGN_START_WITHOUT_JOURNAL !== undefined,
    peppers: it.COUNTERSIGN_PEPPER,
    signingKeys: it.COUNTERSIGN_SIGNING_KEYS,
    issuer: it.COUNTERSIGN_ISSUER ?? defaultIssuer(it.HOST),
    trustedProxies: it.COUNTERSIGN_TRUSTED_PROXIES,
    allowedPrivateNetworks: it.COUNTERSIGN_ALLOWED_PRIVATE_NETWORKS,
    githubKeysUrl: it.COUNTERSIGN_GITHUB_KEYS_URL,
    gitlabToken: it.COUNTERSIGN_GITLAB_REVOCATION_TOKEN,
    logLevel: it.LOG_LEVEL,
    oidc: oidcSettings(it),
    mail: mailSettings(it),
  };
}

const ACCEPTED = {
  COUNTERSIGN_PEPPER: 'kid:base64-of-32-bytes',
  COUNTERSIGN_SIGNING_KEYS: 'a private JWK set',
} as const;

/** A host that is not loopback has no address that others could be told: its issuer must be said. A wildcard address is
 *  reached over loopback too. */
function defaultIssuer(host: string): undefined {
  if (isLoopbackHost(host) || host === '0.0.0.0' || host === '::') return undefined;
  throw new ConfigError(
    `COUNTERSIGN_ISSUER is not set: with HOST ${host} it accepts the public https:// URL of the service`,
  );
}

function settingOf(environment: Environment, name: Variable): string | undefined {
  const value = environment[name];
  const path = SECRETS.has(name) ? environment[`${name}_FILE`] : undefined;
  if (value !== undefined && value !== '') {
    if (path) throw new ConfigError(`${name} and ${name}_FILE are both set: only one of them is accepted`);
    return value;
  }
  if (path === undefined || path === '') return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigError(
      `${name}_FILE names ${JSON.stringify(path)}, which cannot be read (${why}): it accepts the path of a file`,
    );
  }
}

function explain(values: Readonly<Record<string, string | undefined>>, error: z.ZodError): string {
  const [issue] = error.issues;
  const name = String(issue?.path[0]);
  const got = SECRETS.has(name) ? 'a value that is not shown' : JSON.stringify(values[name]?.slice(0, 200));
  return `${name} is ${got}: it accepts ${issue?.message}`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
