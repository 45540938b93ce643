import { auditPage, checkpoint, introspection, me } from '../wire/answers.js';
import type { AuditEvent, Checkpoint, Introspection, Me, Page } from '../wire/resources.js';
import { type ExecChecksClient, execChecksClient } from './exec-checks.js';
import { type IncidentsClient, incidentsClient } from './incidents.js';
import { type MailsClient, mailsClient } from './mails.js';
import { type MembersClient, membersClient } from './members.js';
import { type OAuthClient, oauthClient } from './oauth.js';
import { type PasskeysClient, passkeysClient, type StepUpsClient, stepUpsClient } from './passkeys.js';
import { type PolicyClient, policyClient } from './policy.js';
import { type ReportsClient, reportsClient } from './reports.js';
import { type EnrolmentsClient, enrolmentsClient, type RunnersClient, runnersClient } from './runners.js';
import { type RunsClient, runsClient } from './runs.js';
import { type SessionsClient, sessionsClient } from './sessions.js';
import { type TokensClient, tokensClient } from './tokens.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';
import { type TrustRulesClient, trustRulesClient } from './trust-rules.js';
import { type WebhooksClient, webhooksClient } from './webhooks.js';
import { type WorkflowsClient, workflowsClient } from './workflows.js';

/** Where a page of a list begins and how many entries it holds (1 to 200, default 50). */
export interface PageQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** Everything a caller can ask of the service. Each call throws {@link ProblemError} when it is refused and
 *  {@link UnreachableError} when nothing is known. */
export interface Client {
  readonly tokens: TokensClient;
  readonly workflows: WorkflowsClient;
  readonly policy: PolicyClient;
  readonly members: MembersClient;
  readonly sessions: SessionsClient;
  readonly passkeys: PasskeysClient;
  readonly stepUps: StepUpsClient;
  readonly execChecks: ExecChecksClient;
  readonly runners: RunnersClient;
  readonly enrolments: EnrolmentsClient;
  readonly runs: RunsClient;
  readonly reports: ReportsClient;
  readonly incidents: IncidentsClient;
  readonly oauth: OAuthClient;
  readonly trustRules: TrustRulesClient;
  readonly mails: MailsClient;
  readonly webhooks: WebhooksClient;
  /** Who is calling, with what. */
  me(): Promise<Me>;
  /** Asks whether a token is active (RFC 7662). The caller's token needs `tokens:introspect` or `exec:check`, unless it
   *  asks about itself. */
  introspect(token: string): Promise<Introspection>;
  /** Revokes a token by holding it (RFC 7009). Needs no credentials of the caller; says nothing of what the token was. */
  revoke(token: string): Promise<void>;
  /** The audit trail in the order of its chain. `after` is the `seq` to start behind. */
  auditEvents(
    query?: PageQuery & { after?: number | undefined; action?: string | undefined; target?: string | undefined },
  ): Promise<Page<AuditEvent>>;
  /** The signed head of the audit trail. */
  auditCheckpoint(): Promise<Checkpoint>;
}

/** Makes a client.
 *  @example
 *  const countersign = createClient({ url: 'http://127.0.0.1:8787', token: process.env.COUNTERSIGN_TOKEN });
 *  const minted = await countersign.tokens.mint({ workflow: 'tests', scopes: ['repo:read'], expires_in_days: 30 }); */
export function createClient(options: ClientOptions): Client {
  return {
    tokens: tokensClient(options),
    workflows: workflowsClient(options),
    policy: policyClient(options),
    members: membersClient(options),
    sessions: sessionsClient(options),
    passkeys: passkeysClient(options),
    stepUps: stepUpsClient(options),
    execChecks: execChecksClient(options),
    runners: runnersClient(options),
    enrolments: enrolmentsClient(options),
    runs: runsClient(options),
    reports: reportsClient(options),
    incidents: incidentsClient(options),
    oauth: oauthClient(options),
    trustRules: trustRulesClient(options),
    mails: mailsClient(options),
    webhooks: webhooksClient(options),
    me: () => sendFor(options, { method: 'GET', path: '/v1/me' }, me),
    introspect: (token) =>
      sendFor(options, { method: 'POST', path: '/oauth2/introspect', form: { token } }, introspection),
    revoke: (token) => sendOnly(options, { method: 'POST', path: '/oauth2/revoke', form: { token }, token: null }),
    auditEvents: (query) =>
      sendFor(options, { method: 'GET', path: '/v1/audit-events', query: { ...query } }, auditPage),
    auditCheckpoint: () => sendFor(options, { method: 'GET', path: '/v1/audit-events/checkpoint' }, checkpoint),
  };
}

/** Walks a list to its end, page by page.
 *  @example
 *  for await (const token of everyPage((cursor) => countersign.tokens.list({ cursor }))) console.log(token.id); */
export async function* everyPage<T>(fetchPage: (cursor: string | undefined) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await fetchPage(cursor);
    yield* page.data;
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
