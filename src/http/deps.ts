import type { Admissions } from '../store/admissions.js';
import type { CheckLog } from '../store/checks.js';
import type { Sql } from '../store/connect.js';
import type { Db } from '../store/database.js';
import type { Lookup } from '../store/lookup.js';
import type { Secrets } from '../store/secret.js';
import type { UseLog } from '../store/use.js';
import type { Credential } from './credentials.js';
import type { GithubKeys } from './github-keys.js';
import type { IssuerKeys } from './issuer-keys.js';
import type { Signer } from './jwt.js';
import type { Log } from './log.js';
import type { Metrics } from './metrics.js';
import type { Nonces } from './nonces.js';
import type { Provider } from './provider.js';
import type { Seals } from './seals.js';
import type { Watches } from './watches.js';
import type { WebhookSignatures } from './webhook-signatures.js';

/** All that the endpoints need from outside. Time is `now`, so that a test can set it. */
export interface Deps {
  readonly db: Db;
  readonly sql: Sql;
  readonly lookup: Lookup;
  readonly checkLog: CheckLog;
  readonly admissions: Admissions;
  readonly useLog: UseLog;
  readonly secrets: Secrets;
  readonly credentials: (printed: string) => Credential | undefined;
  /** Whether the service is about to stop: then connections end with their answers. */
  readonly isDraining: () => boolean;
  readonly signer: Signer;
  readonly nonces: Nonces;
  readonly seals: Seals;
  readonly webhookSignatures: WebhookSignatures;
  /** `undefined` when none is configured. */
  readonly provider: Provider | undefined;
  /** Whether mails go out. */
  readonly sendsMail: boolean;
  readonly watches: Watches;
  readonly issuerKeys: IssuerKeys;
  readonly githubKeys: GithubKeys;
  /** What GitLab shows with what its secret detection found. `undefined`: no GitLab reports. */
  readonly gitlabToken: string | undefined;
  readonly metrics: Metrics;
  readonly log: Log;
  /** Public base URL without a slash at its end. */
  readonly issuer: string;
  /** CIDRs of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** CIDRs of the private networks that the service may ask something of, on somebody's word. */
  readonly allowedPrivateNetworks: readonly string[];
  readonly now: () => Date;
}
