import { type Context, Hono } from 'hono';
import { refuse } from '../rules/refusal.js';
import type { Deps } from './deps.js';
import type { Route } from './endpoint.js';
import { acceptInvitationRoute } from './endpoints/accept-invitation.js';
import { auditCheckpointRoute, listAuditEventsRoute } from './endpoints/audit-events.js';
import { backchannelLogoutRoute } from './endpoints/backchannel-logout.js';
import { consolePageRoute, endOwnSessionRoute, signOutRoute } from './endpoints/console.js';
import { createExecCheckRoute } from './endpoints/create-exec-check.js';
import { deviceAuthorizationRoute } from './endpoints/device-authorization.js';
import { askDeviceRoute, decideDeviceRoute, devicePageRoute } from './endpoints/device-pages.js';
import {
  finishExecCheckRoute,
  listExecChecksRoute,
  showExecCheckRoute,
  watchExecCheckRoute,
} from './endpoints/exec-checks.js';
import { expiryCalendarRoute } from './endpoints/expiry-calendar.js';
import { explainTokenRoute } from './endpoints/explain-token.js';
import { closeIncidentRoute, listIncidentsRoute, showIncidentRoute } from './endpoints/incidents.js';
import { introspectRoute } from './endpoints/introspect.js';
import { inviteMemberRoute } from './endpoints/invite-member.js';
import { listTokensRoute } from './endpoints/list-tokens.js';
import { listMailDeliveriesRoute, replayMailDeliveryRoute } from './endpoints/mails.js';
import { meRoute } from './endpoints/me.js';
import {
  listMembersRoute,
  patchMemberRoute,
  reactivateMemberRoute,
  removeMemberRoute,
  showMemberRoute,
  suspendMemberRoute,
} from './endpoints/members.js';
import { jwksRoute, metadataRoute, pathMetadataRoute } from './endpoints/metadata.js';
import { mintTokenRoute } from './endpoints/mint-token.js';
import { mintTokensRoute } from './endpoints/mint-tokens.js';
import {
  addPasskeyByLinkRoute,
  addPasskeyOptionsRoute,
  addPasskeyPageRoute,
  beginPasskeyRoute,
} from './endpoints/passkey-pages.js';
import { passkeySignInOptionsRoute, passkeySignInRoute } from './endpoints/passkey-sign-in.js';
import { addPasskeyRoute, listPasskeysRoute, removePasskeyRoute } from './endpoints/passkeys.js';
import { dryRunPolicyRoute, putPolicyRoute, removePolicyRoute, showPolicyRoute } from './endpoints/policy.js';
import { reportGithubLeaksRoute } from './endpoints/report-github-leaks.js';
import { listGitlabTokenTypesRoute, reportGitlabLeaksRoute } from './endpoints/report-gitlab-leaks.js';
import { reportLeaksRoute } from './endpoints/report-leaks.js';
import { reportTokensRoute } from './endpoints/report-tokens.js';
import { revokeRoute } from './endpoints/revoke.js';
import { revokeTokenRoute } from './endpoints/revoke-token.js';
import { revokeTokensRoute } from './endpoints/revoke-tokens.js';
import { rotateTokenRoute } from './endpoints/rotate-token.js';
import { approveEnrolmentRoute, denyEnrolmentRoute, lookupEnrolmentRoute } from './endpoints/runner-approvals.js';
import { enrolRunnerRoute, redeemEnrolmentRoute } from './endpoints/runner-enrolments.js';
import {
  listRunnersRoute,
  patchRunnerRoute,
  reactivateRunnerRoute,
  removeRunnerRoute,
  showRunnerRoute,
  suspendRunnerRoute,
} from './endpoints/runners.js';
import { listRunsRoute, renewRunRoute, showRunRoute, stopRunRoute } from './endpoints/runs.js';
import {
  listScimResourceTypesRoute,
  listScimSchemasRoute,
  scimConfigRoute,
  scimMissingRoutes,
  showScimResourceTypeRoute,
  showScimSchemaRoute,
} from './endpoints/scim-discovery.js';
import {
  createScimUserRoute,
  listScimGroupsRoute,
  listScimUsersRoute,
  patchScimUserRoute,
  removeScimUserRoute,
  replaceScimUserRoute,
  searchScimUsersRoute,
  showScimUserRoute,
} from './endpoints/scim-users.js';
import { endSessionRoute, listSessionsRoute } from './endpoints/sessions.js';
import { showTokenRoute } from './endpoints/show-token.js';
import { beginSignInRoute, chooseWorkspaceRoute, finishSignInRoute, signInPageRoute } from './endpoints/sign-in.js';
import { stepUpConfirmRoute, stepUpDenyRoute, stepUpOptionsRoute, stepUpPageRoute } from './endpoints/step-up-pages.js';
import { openStepUpRoute, showStepUpRoute } from './endpoints/step-ups.js';
import {
  approvePageRoute,
  docsRoute,
  healthRoute,
  metricsRoute,
  openApiRoute,
  problemRoute,
  readinessRoute,
} from './endpoints/system.js';
import { takeOverTokenRoute } from './endpoints/take-over-token.js';
import { tokenRoute } from './endpoints/token.js';
import { tokenUsageRoute } from './endpoints/token-usage.js';
import { listToolDecisionsRoute, recordToolDecisionsRoute } from './endpoints/tool-decisions.js';
import { dryRunToolRulesRoute, putToolRulesRoute, showToolRulesRoute } from './endpoints/tool-rules.js';
import { transferTokenRoute } from './endpoints/transfer-token.js';
import {
  dryRunTrustRuleRoute,
  listTrustRulesRoute,
  putTrustRuleRoute,
  removeTrustRuleRoute,
  showTrustRuleRoute,
} from './endpoints/trust-rules.js';
import { unfreezeTokenRoute } from './endpoints/unfreeze-token.js';
import { listDeliveriesRoute, replayDeliveryRoute } from './endpoints/webhook-deliveries.js';
import {
  addWebhookRoute,
  listWebhooksRoute,
  patchWebhookRoute,
  removeWebhookRoute,
  rotateWebhookSecretRoute,
  showWebhookRoute,
  testWebhookRoute,
} from './endpoints/webhooks.js';
import {
  listWorkflowsRoute,
  pauseWorkflowRoute,
  putWorkflowRoute,
  resumeWorkflowRoute,
  showWorkflowRoute,
} from './endpoints/workflows.js';
import { type Handle, respond } from './respond.js';
import { responseOf, webExchange } from './web.js';

const ROUTES: readonly Route[] = [
  introspectRoute,
  createExecCheckRoute,
  revokeRoute,
  tokenRoute,
  deviceAuthorizationRoute,
  devicePageRoute,
  askDeviceRoute,
  decideDeviceRoute,
  metadataRoute,
  pathMetadataRoute,
  jwksRoute,
  mintTokenRoute,
  mintTokensRoute,
  listTokensRoute,
  showTokenRoute,
  explainTokenRoute,
  tokenUsageRoute,
  rotateTokenRoute,
  revokeTokenRoute,
  transferTokenRoute,
  takeOverTokenRoute,
  unfreezeTokenRoute,
  reportTokensRoute,
  expiryCalendarRoute,
  revokeTokensRoute,
  reportLeaksRoute,
  reportGithubLeaksRoute,
  listGitlabTokenTypesRoute,
  reportGitlabLeaksRoute,
  listIncidentsRoute,
  showIncidentRoute,
  closeIncidentRoute,
  listWorkflowsRoute,
  showWorkflowRoute,
  putWorkflowRoute,
  pauseWorkflowRoute,
  resumeWorkflowRoute,
  showToolRulesRoute,
  putToolRulesRoute,
  dryRunToolRulesRoute,
  listTrustRulesRoute,
  showTrustRuleRoute,
  putTrustRuleRoute,
  removeTrustRuleRoute,
  dryRunTrustRuleRoute,
  showPolicyRoute,
  putPolicyRoute,
  removePolicyRoute,
  dryRunPolicyRoute,
  listMailDeliveriesRoute,
  replayMailDeliveryRoute,
  listWebhooksRoute,
  addWebhookRoute,
  showWebhookRoute,
  patchWebhookRoute,
  removeWebhookRoute,
  rotateWebhookSecretRoute,
  testWebhookRoute,
  listDeliveriesRoute,
  replayDeliveryRoute,
  listMembersRoute,
  inviteMemberRoute,
  acceptInvitationRoute,
  showMemberRoute,
  patchMemberRoute,
  removeMemberRoute,
  suspendMemberRoute,
  reactivateMemberRoute,
  listSessionsRoute,
  endSessionRoute,
  listRunnersRoute,
  showRunnerRoute,
  patchRunnerRoute,
  suspendRunnerRoute,
  reactivateRunnerRoute,
  removeRunnerRoute,
  listPasskeysRoute,
  addPasskeyRoute,
  removePasskeyRoute,
  openStepUpRoute,
  showStepUpRoute,
  beginPasskeyRoute,
  addPasskeyPageRoute,
  addPasskeyOptionsRoute,
  addPasskeyByLinkRoute,
  passkeySignInOptionsRoute,
  passkeySignInRoute,
  stepUpPageRoute,
  stepUpOptionsRoute,
  stepUpConfirmRoute,
  stepUpDenyRoute,
  enrolRunnerRoute,
  redeemEnrolmentRoute,
  lookupEnrolmentRoute,
  approveEnrolmentRoute,
  denyEnrolmentRoute,
  meRoute,
  listAuditEventsRoute,
  auditCheckpointRoute,
  listExecChecksRoute,
  showExecCheckRoute,
  watchExecCheckRoute,
  finishExecCheckRoute,
  listRunsRoute,
  showRunRoute,
  renewRunRoute,
  stopRunRoute,
  recordToolDecisionsRoute,
  listToolDecisionsRoute,
  listScimUsersRoute,
  searchScimUsersRoute,
  createScimUserRoute,
  showScimUserRoute,
  replaceScimUserRoute,
  patchScimUserRoute,
  removeScimUserRoute,
  listScimGroupsRoute,
  scimConfigRoute,
  listScimResourceTypesRoute,
  showScimResourceTypeRoute,
  listScimSchemasRoute,
  showScimSchemaRoute,
  ...scimMissingRoutes,
  healthRoute,
  readinessRoute,
  metricsRoute,
  openApiRoute,
  docsRoute,
  problemRoute,
  approvePageRoute,
  signInPageRoute,
  beginSignInRoute,
  finishSignInRoute,
  chooseWorkspaceRoute,
  consolePageRoute,
  signOutRoute,
  endOwnSessionRoute,
  backchannelLogoutRoute,
];

/** Those that are asked before every job, and answered beside the router. */
export const BUSY_ROUTES: readonly Route[] = [introspectRoute, createExecCheckRoute];

/** What the node server tells of a connection. */
interface Bindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
}

/** The whole HTTP interface over its dependencies. */
export function createApp(deps: Deps): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>();
  const answered = (path: string, handle: Handle) => async (c: Context<{ Bindings: Bindings }>) => {
    const peer = c.env?.incoming?.socket?.remoteAddress;
    return responseOf(await respond(deps, webExchange(deps, c.req.raw, c.req.param(), peer), path, handle));
  };
  for (const [path, routes] of routesByPath()) {
    for (const { operation, handle } of routes) {
      app.on(operation.method.toUpperCase(), routerPath(path), answered(path, handle));
    }
    const allow = routes.flatMap(methodsOf);
    app.all(
      routerPath(path),
      answered(path, async () => refuse({ kind: 'method_not_allowed', allow })),
    );
  }
  app.notFound(answered('none', async () => refuse({ kind: 'not_found' })));
  return app;
}

function routerPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

/** Paths with their routes, those without parameters first: `/v1/members/accept` is no member. */
function routesByPath(): [string, Route[]][] {
  const paths = new Map<string, Route[]>();
  for (const route of ROUTES) {
    const { path } = route.operation;
    paths.set(path, [...(paths.get(path) ?? []), route]);
  }
  return [...paths].sort(([a], [b]) => Number(a.includes('{')) - Number(b.includes('{')));
}

function methodsOf({ operation }: Route): string[] {
  const method = operation.method.toUpperCase();
  // Hono answers HEAD where there is GET. RFC 9110 section 9.3.2.
  return method === 'GET' ? [method, 'HEAD'] : [method];
}
