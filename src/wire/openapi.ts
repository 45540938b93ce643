import { z } from 'zod';
import { VERSION } from '../version.js';
import * as audit from './audit.js';
import * as execChecks from './exec-checks.js';
import * as expiries from './expiries.js';
import * as githubLeaks from './github-leaks.js';
import * as gitlabLeaks from './gitlab-leaks.js';
import * as incidents from './incidents.js';
import * as leaks from './leaks.js';
import * as leavers from './leavers.js';
import * as mails from './mails.js';
import * as members from './members.js';
import * as mints from './mints.js';
import * as oauth from './oauth.js';
import type { OpenApiDocument, PathItem } from './openapi-document.js';
import { operationObject } from './openapi-operation.js';
import { headers, refusalResponses } from './openapi-refusals.js';
import { collectSchemas } from './openapi-schemas.js';
import type { Operation } from './operation.js';
import * as passkeys from './passkeys.js';
import * as policy from './policy.js';
import { CONFLICTS } from './problems.js';
import * as reports from './reports.js';
import type { Problem } from './resources.js';
import * as runners from './runners.js';
import * as runs from './runs.js';
import * as scim from './scim.js';
import * as sessions from './sessions.js';
import * as system from './system.js';
import * as tokenEndpoint from './token-endpoint.js';
import * as tokens from './tokens.js';
import * as toolDecisions from './tool-decisions.js';
import * as toolRules from './tool-rules.js';
import * as trustRules from './trust-rules.js';
import * as usage from './usage.js';
import * as webhooks from './webhooks.js';
import * as workflows from './workflows.js';

/** Where the service is unless it was told otherwise. */
const DEFAULT_ISSUER = 'http://127.0.0.1:8787';

/** Every endpoint of the service, in the order in which it is documented. */
export const operations: readonly Operation[] = [
  tokens.mintOperation,
  mints.mintManyOperation,
  tokens.listTokensOperation,
  tokens.showTokenOperation,
  tokens.explainTokenOperation,
  usage.tokenUsageOperation,
  tokens.rotateTokenOperation,
  tokens.revokeTokenOperation,
  tokens.transferTokenOperation,
  leavers.takeOverTokenOperation,
  leavers.unfreezeTokenOperation,
  reports.reportTokensOperation,
  expiries.expiryCalendarOperation,
  tokens.revokeManyOperation,
  leaks.reportLeaksOperation,
  githubLeaks.reportGithubLeaksOperation,
  gitlabLeaks.listGitlabTokenTypesOperation,
  gitlabLeaks.reportGitlabLeaksOperation,
  incidents.listIncidentsOperation,
  incidents.showIncidentOperation,
  incidents.closeIncidentOperation,
  workflows.listWorkflowsOperation,
  workflows.showWorkflowOperation,
  workflows.putWorkflowOperation,
  workflows.pauseWorkflowOperation,
  workflows.resumeWorkflowOperation,
  toolRules.showToolRulesOperation,
  toolRules.putToolRulesOperation,
  toolRules.dryRunToolRulesOperation,
  trustRules.listTrustRulesOperation,
  trustRules.showTrustRuleOperation,
  trustRules.putTrustRuleOperation,
  trustRules.removeTrustRuleOperation,
  trustRules.dryRunTrustRuleOperation,
  policy.showPolicyOperation,
  policy.putPolicyOperation,
  policy.removePolicyOperation,
  policy.dryRunPolicyOperation,
  webhooks.listWebhooksOperation,
  webhooks.addWebhookOperation,
  webhooks.showWebhookOperation,
  webhooks.patchWebhookOperation,
  webhooks.removeWebhookOperation,
  webhooks.rotateWebhookSecretOperation,
  webhooks.testWebhookOperation,
  webhooks.listDeliveriesOperation,
  webhooks.replayDeliveryOperation,
  mails.listMailDeliveriesOperation,
  mails.replayMailDeliveryOperation,
  execChecks.execCheckOperation,
  execChecks.listExecChecksOperation,
  execChecks.showExecCheckOperation,
  execChecks.watchExecCheckOperation,
  execChecks.finishExecCheckOperation,
  runs.listRunsOperation,
  runs.showRunOperation,
  runs.renewRunOperation,
  runs.stopRunOperation,
  runners.listRunnersOperation,
  runners.showRunnerOperation,
  runners.patchRunnerOperation,
  runners.suspendRunnerOperation,
  runners.reactivateRunnerOperation,
  runners.removeRunnerOperation,
  runners.enrolRunnerOperation,
  runners.redeemEnrolmentOperation,
  runners.lookupEnrolmentOperation,
  runners.approveEnrolmentOperation,
  runners.denyEnrolmentOperation,
  toolDecisions.recordToolDecisionsOperation,
  toolDecisions.listToolDecisionsOperation,
  oauth.introspectOperation,
  oauth.revokeOperation,
  tokenEndpoint.tokenOperation,
  tokenEndpoint.deviceAuthorizationOperation,
  oauth.metadataOperation,
  oauth.jwksOperation,
  members.meOperation,
  members.listMembersOperation,
  members.showMemberOperation,
  members.inviteMemberOperation,
  members.acceptInvitationOperation,
  members.patchMemberOperation,
  members.suspendMemberOperation,
  members.reactivateMemberOperation,
  members.removeMemberOperation,
  sessions.listSessionsOperation,
  sessions.endSessionOperation,
  passkeys.listPasskeysOperation,
  passkeys.addPasskeyOperation,
  passkeys.removePasskeyOperation,
  passkeys.openStepUpOperation,
  passkeys.showStepUpOperation,
  scim.listScimUsersOperation,
  scim.searchScimUsersOperation,
  scim.createScimUserOperation,
  scim.showScimUserOperation,
  scim.replaceScimUserOperation,
  scim.patchScimUserOperation,
  scim.removeScimUserOperation,
  scim.listScimGroupsOperation,
  scim.scimConfigOperation,
  scim.listScimResourceTypesOperation,
  scim.showScimResourceTypeOperation,
  scim.listScimSchemasOperation,
  scim.showScimSchemaOperation,
  audit.listAuditOperation,
  audit.checkpointOperation,
  system.healthOperation,
  system.readinessOperation,
  system.metricsOperation,
  system.openApiOperation,
  system.docsOperation,
  system.problemOperation,
  system.approvePageOperation,
];

const TAGS = [
  { name: 'tokens', description: 'Mint a token for each workflow, rotate it without an outage, revoke it for good.' },
  { name: 'incidents', description: 'Report a token that leaked; see what was done about it, and close it.' },
  { name: 'workflows', description: 'What a token may be: its scopes, its periods, the places where it may be used.' },
  { name: 'trust rules', description: 'Which CI jobs get a token by their platform’s own, with no secret stored.' },
  { name: 'policy', description: 'What every workflow of the workspace is held to, and which tokens are not.' },
  { name: 'webhooks', description: 'Be told of what happens, signed and tried again until it arrives.' },
  { name: 'mails', description: 'What was sent by e-mail: notices of expiry and incidents.' },
  { name: 'exec checks', description: 'Ask before a job starts, and be told when its right to run ends.' },
  { name: 'runs', description: 'What runs now, where, since when and under which token; stop one.' },
  { name: 'runners', description: 'Hosts that prove themselves with a key, so that a token can be bound to them.' },
  { name: 'OAuth', description: 'The standard endpoints, for any OAuth client: a form goes in, JSON comes out.' },
  { name: 'members', description: 'The people of the workspace, and what each of them may do.' },
  { name: 'passkeys', description: 'Keys that people sign in with, and confirm dangerous acts with.' },
  {
    name: 'SCIM',
    description: 'How an identity provider brings people in, and takes them out at once (RFC 7643 and RFC 7644).',
  },
  { name: 'audit', description: 'Who did what and when, in a chain of hashes that anyone can recompute.' },
  { name: 'system', description: 'For operators, probes and readers.' },
];

const DESCRIPTION = `Countersign gives every workflow of a coding agent a token of its own: short-lived, narrow, owned by a named person, rotated without an outage, and checked before and while anything runs.

**Calling.** Send \`Authorization: Bearer cst_…\`. A call may do what the role of the token’s creator allows, cut by the token’s scopes, in the token’s workspace. \`workspace:admin\` covers every scope named here; things of another workspace are not found.

**Runners.** The token of a trusted runner is bound to its key (RFC 9449): send \`Authorization: DPoP cst_…\` and a fresh proof in \`DPoP\` with every call. An answer with \`error="use_dpop_nonce"\` has the nonce to sign in \`DPoP-Nonce\`. Sent as Bearer, such a token is refused.

**Messages.** JSON in UTF-8, 64 KiB at most unless said otherwise; names in snake_case. Times under \`/v1\` are RFC 3339 in UTC, under \`/oauth2\` seconds since the epoch. Members that are not known are refused in requests; answers may gain members, so ignore those you do not know.

**Lists.** \`limit\` (1 to 200, default 50) and \`cursor\`. An answer is \`{"data":[…],"next_cursor":…}\`: pass \`next_cursor\` as \`cursor\` for the next page, until it is \`null\`.

**Refusals.** RFC 9457 \`application/problem+json\`, with a \`type\` that is the address of a page about it; under \`/oauth2/\` an error as in RFC 6749 section 5.2. A path that does not exist is 404, a method that it does not have 405 with \`Allow\`. 429 and 503 say with \`Retry-After\` when to try again. Every answer has an \`X-Request-Id\`: name it when you report something.

**Consistency.** No answer is taken from a cache. Once a revocation, a pause or a suspension was answered, no introspection and no exec check that arrives after it says active, on any node. When the database cannot be asked, the answer is 503, never a stale yes.`;

/** RFC 9457 section 3, with `code` on conflicts and `errors` on what is invalid. */
const problem: z.ZodType<Problem> = z
  .object({
    type: z.string().meta({ format: 'uri', description: 'The address of a page about this kind of problem.' }),
    title: z.string(),
    status: z.int().min(400).max(599),
    detail: z.string().describe('About this case, for people.'),
    instance: z.string().meta({ format: 'uri-reference', description: 'The path that was asked for.' }),
    code: z
      .string()
      .optional()
      .meta({ enum: Object.keys(CONFLICTS), description: 'What stands against it; with 409.' }),
    act: z.string().optional().describe('What a passkey has to confirm first; with `step-up-required`.'),
    errors: z
      .array(z.object({ pointer: z.string().describe('A JSON pointer, such as `#/scopes/0`.'), detail: z.string() }))
      .optional()
      .describe('Each fault of the request; with 422.'),
  })
  .meta({ id: 'Problem' });

/** The OpenAPI 3.1 document of the service at `issuer`. The same input gives the same document. */
export function openApiDocument(issuer: string = DEFAULT_ISSUER): OpenApiDocument {
  const schemas = collectSchemas();
  const paths: Record<string, PathItem> = {};
  for (const it of operations) paths[it.path] = { ...paths[it.path], [it.method]: operationObject(it, schemas) };
  schemas.add(problem, 'output');
  schemas.add(oauth.oauthError, 'output');
  schemas.add(scim.scimError, 'output');
  return {
    openapi: '3.1.1',
    info: {
      title: 'Countersign',
      version: VERSION,
      summary: 'Access tokens for coding agents in CI',
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: issuer, description: 'The service that gave this document' }],
    tags: TAGS,
    paths,
    components: {
      schemas: schemas.components(),
      responses: refusalResponses(operations, issuer),
      headers,
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of this service (RFC 6750). Where a scope is listed, the token needs it.',
        },
        proof: {
          type: 'apiKey',
          in: 'header',
          name: 'DPoP',
          description: 'A proof of the key that the host has made for itself (RFC 9449 section 4.2), and no token.',
        },
        basic: {
          type: 'http',
          scheme: 'basic',
          description:
            'For generic OAuth clients: the token’s public id as client id, the token as client secret. For calendar programs: any user name, the token as password.',
        },
      },
    },
  };
}
