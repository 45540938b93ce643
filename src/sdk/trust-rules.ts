import type { Page } from '../wire/resources.js';
import { trustDryRun, trustRule, trustRulePage } from '../wire/trust-rule-answers.js';
import type { TrustDryRun, TrustDryRunRequest, TrustRule, TrustRuleRequest } from '../wire/trust-rule-resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** Trust rules, by their name: which jobs of a CI platform get a token by the platform's own. */
export interface TrustRulesClient {
  list(query?: { limit?: number | undefined; cursor?: string | undefined }): Promise<Page<TrustRule>>;
  show(name: string): Promise<TrustRule>;
  /** Makes a rule or replaces the whole of it. A change revokes the tokens that were given by the rule before. */
  put(name: string, request: TrustRuleRequest): Promise<TrustRule>;
  /** Removes a rule and revokes the tokens that it gave. */
  remove(name: string): Promise<void>;
  /** Tries what a rule says of a token's claims. No token is given. */
  dryRun(name: string, request: TrustDryRunRequest): Promise<TrustDryRun>;
}

export function trustRulesClient(options: ClientOptions): TrustRulesClient {
  const path = (name: string, verb = '') => `/v1/trust-rules/${encodeURIComponent(name)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/trust-rules', query: { ...query } }, trustRulePage),
    show: (name) => sendFor(options, { method: 'GET', path: path(name) }, trustRule),
    put: (name, request) => sendFor(options, { method: 'PUT', path: path(name), json: request }, trustRule),
    remove: (name) => sendOnly(options, { method: 'DELETE', path: path(name) }),
    dryRun: (name, request) =>
      sendFor(options, { method: 'POST', path: path(name, '/dry-run'), json: request }, trustDryRun),
  };
}
