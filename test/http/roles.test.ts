import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MemberId, newId, parsePublicId, printId, type TokenId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { mayUse } from '../../src/rules/role.js';
import { USER_SCHEMA } from '../../src/rules/scim-user.js';
import { SERVICE_SCOPES, type ServiceScope } from '../../src/rules/scope.js';
import { SERVICE_WORKFLOW } from '../../src/rules/workflow.js';
import type { Client } from '../../src/sdk/index.js';
import type { TransactionSql } from '../../src/store/connect.js';
import { inTransaction } from '../../src/store/database.js';
import { chainHead } from '../../src/store/events.js';
import { drawShortSecret, insertToken } from '../../src/store/mint.js';
import { passkeys } from '../../src/store/schema.js';
import { startSession } from '../../src/store/sessions.js';
import { operations } from '../../src/wire/openapi.js';
import type { Role } from '../../src/wire/resources.js';
import { makeHostKey, seedRunner, sendAsHost } from '../setup/dpop.js';
import { NO_MAIL_SERVER } from '../setup/mail-server.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';
import { RULES } from '../setup/trust.js';

let service: TestService;
let own: Things;
let foreign: Things;
let foreignOwner: string;
const memberIds = new Map<Role, MemberId>();
let tokens: Record<Role, string>;
let deadToken: string;
let serial = 0;
beforeAll(async () => {
  service = await createTestService({ mail: { settings: NO_MAIL_SERVER } });
  const made = await Promise.all(ROLES.map(async (role) => [role, await service.makeMember(role)] as const));
  tokens = Object.fromEntries(made.map(([role, { token }]) => [role, token])) as Record<Role, string>;
  for (const [role, { id }] of made) memberIds.set(role, parsePublicId('mem', id) as MemberId);
  foreignOwner = (await service.makeWorkspace('foreign')).printed;
  foreign = await makeThings(foreignOwner);
  own = await makeThings(service.owner.printed);
  await finish(own);
  deadToken = (await service.makeMember('owner')).token;
  await service.client(null).revoke(deadToken);
});
afterAll(() => service.close());

const ROLES: readonly Role[] = ['owner', 'admin', 'member', 'auditor'];

/** Fresh things of a workspace, made by its owner. */
interface Things {
  readonly label: string;
  readonly memberId: string;
  readonly tokenId: string;
  readonly checkId: string;
  readonly runId: string;
  readonly runnerId: string;
  readonly ruleName: string;
  readonly sessionId: string;
  readonly incidentId: string;
  readonly webhookId: string;
  readonly deliveryId: string;
  readonly mailId: string;
}

async function makeThings(ownerToken: string): Promise<Things> {
  serial += 1;
  const client = service.client(ownerToken);
  const label = `flow-${serial}`;
  await client.workflows.put(label, { allowed_scopes: ['repo:*'] });
  const [member, minted, { runner }, , hook] = await Promise.all([
    client.members
      .invite({ email: `p${serial}@roles.example`, role: 'member' })
      .then(({ invitation }) => service.client(null).members.accept(invitation)),
    client.tokens.mint({ workflow: label, scopes: ['repo:read'], expires_in_days: 7 }),
    seedRunner(service, { approver: ownerToken }),
    client.trustRules.put(label, { ...RULES.github_actions, workflow: label }),
    addHook(client),
  ]);
  const { check_id, run_id } = await client.execChecks.check({ token: minted.token, workflow: label });
  return {
    label,
    memberId: member.id,
    tokenId: minted.id,
    checkId: check_id,
    runId: run_id ?? '',
    runnerId: runner.id,
    ruleName: label,
    sessionId: await makeSession(member.id),
    incidentId: await makeIncident(
      client,
      await client.tokens.mint({ workflow: label, scopes: ['repo:read'], expires_in_days: 7 }),
    ),
    webhookId: hook.webhookId,
    deliveryId: hook.deliveryId,
    // Of the incident above.
    mailId: (await client.mails.list({ limit: 1 })).data[0]?.id ?? '',
  };
}

/** A webhook, and a message on its way there. */
async function addHook(client: Client) {
  const { id } = await client.webhooks.add({ url: 'https://hooks.example/in', events: ['policy.set'] });
  const { delivery_id } = await client.webhooks.test(id);
  return { webhookId: id, deliveryId: delivery_id };
}

/** Ids and names of the right form that stand for nothing. */
const NOTHING: Things = {
  label: 'flow-nowhere',
  memberId: `mem_${'0'.repeat(21)}1`,
  tokenId: `tok_${'0'.repeat(21)}1`,
  checkId: `chk_${'0'.repeat(21)}1`,
  runId: `run_${'0'.repeat(21)}1`,
  runnerId: `rnr_${'0'.repeat(21)}1`,
  ruleName: 'flow-nowhere',
  sessionId: `ses_${'0'.repeat(21)}1`,
  incidentId: `inc_${'0'.repeat(21)}1`,
  webhookId: `whk_${'0'.repeat(21)}1`,
  deliveryId: `dlv_${'0'.repeat(21)}1`,
  mailId: `dlv_${'0'.repeat(21)}1`,
};

/** Things of which the member with this role is the maker, as far as there are such. */
async function makeOwn(role: Role): Promise<Things> {
  const creatorId = memberIds.get(role) as MemberId;
  const { tokenId, token } = await insertAccess(creatorId, own.label, ['repo:read']);
  const { check_id, run_id } = await service.client(token).execChecks.check({ workflow: own.label });
  await service.client(token).execChecks.finish(check_id, { exit_code: 0 });
  const memberId = printId('mem', creatorId);
  const leaked = await insertAccess(creatorId, own.label, ['repo:read']);
  const incidentId = await makeIncident(service.client(), { id: leaked.tokenId, token: leaked.token });
  const sessionId = await makeSession(memberId);
  return { ...own, memberId, tokenId, checkId: check_id, runId: run_id ?? '', sessionId, incidentId };
}

const granted = new Map<string, string>();

/** A sign-in token of the member with this role that has just these scopes, whether the role allows them or not. */
async function tokenWith(role: Role, scopes: readonly ServiceScope[]): Promise<string> {
  const key = `${role} ${scopes.join(' ')}`;
  const known = granted.get(key);
  if (known !== undefined) return known;
  const { token } = await insertAccess(memberIds.get(role) as MemberId, SERVICE_WORKFLOW, scopes);
  granted.set(key, token);
  return token;
}

async function insertAccess(creatorId: MemberId, workflow: string, scopes: readonly string[]) {
  const now = service.clock.now();
  const minted = drawShortSecret(service.secrets, newId('tok', now));
  const { id: workspaceId } = service.owner.workspace;
  const draft = { workspaceId, workflow, creatorId, ownerId: creatorId, name: null, scopes, constraints: {} };
  const life = {
    notBefore: null,
    expiresAt: addDays(now, 7),
    expiresInDays: 7,
    lineageId: minted.id,
    rotatedFrom: null,
  };
  await inTransaction(service.db.db, (tx) => insertToken(tx, minted, { ...draft, ...life, kind: 'access' }, now));
  return { tokenId: printId('tok', minted.id), token: minted.printed };
}

/** What an answer tells of things: all of it but which things were named, and which request it was. */
function told({ status, headers, text }: Answered, things: Things) {
  const named = Object.values(things).reduce((rest, value) => rest.replaceAll(value, '*'), text);
  const kept = [...headers].filter(([name]) => name !== 'x-request-id');
  return { status, text: named, headers: Object.fromEntries(kept) };
}

/** An incident of a token, which ends with it. */
async function makeIncident(client: Client, { id, token }: { id: string; token: string }): Promise<string> {
  serial += 1;
  await service.client(null, `2001:db8:${serial.toString(16)}::1`).incidents.report({ tokens: [token] });
  const { data } = await client.incidents.list({ token: id });
  return data[0]?.id ?? '';
}

/** A session of a member on the pages. */
async function makeSession(id: string): Promise<string> {
  const memberId = parsePublicId('mem', id);
  if (memberId === undefined) throw new Error(`${id} is no member`);
  const now = service.clock.now();
  const { db } = service.db;
  const member = await db.query.members.findFirst({ where: (row, { eq }) => eq(row.id, memberId) });
  if (member === undefined) throw new Error(`${id} is not there`);
  const draft = { workspaceId: member.workspaceId, memberId, method: 'passkey' } as const;
  const origin = { actorType: 'member', actorId: id } as const;
  const session = await inTransaction(db, (tx) => startSession(tx, service.secrets, draft, origin, now));
  return printId('ses', session.id);
}

interface Row {
  readonly path: (things: Things) => string;
  readonly json?: (things: Things) => unknown;
  readonly form?: string;
  /** What a live token of each role gets, about things of the workspace that others made. */
  readonly answers: Readonly<Record<Role, number>>;
  /** What an owner gets about the same things of another workspace; absent when the path names nothing. */
  readonly foreign?: number;
  /** What a live token of each role gets about things that are its member's own; absent when that makes no difference. */
  readonly mine?: Readonly<Record<Role, number>>;
  /** What a token of each role gets that has the operation's scope and no other, where that is not enough. */
  readonly exact?: Readonly<Record<Role, number>>;
  /** For an operation that takes one of several scopes: which, and what a token without any of them gets. */
  readonly by?: { readonly scopes: readonly ServiceScope[]; readonly otherwise: Readonly<Record<Role, number>> };
}

const all = (status: number) => ({ owner: status, admin: status, member: status, auditor: status });
const admins = (status: number) => ({ owner: status, admin: status, member: 403, auditor: 403 });
const readers = (status: number) => ({ owner: status, admin: status, member: 403, auditor: status });
const RUNNERS: Row['by'] = { scopes: ['exec:check'], otherwise: all(404) };
const READERS: Row['by'] = { scopes: ['exec:check', 'audit:read'], otherwise: all(404) };
const toolDecision = () => {
  const at = service.clock.now();
  const id = printId('dec', newId('dec', at));
  return { id, at: at.toISOString(), event: 'PreToolUse', decision: 'deny', code: 'tool_rule' };
};
const scimUser = () => ({ schemas: [USER_SCHEMA], userName: email() });
const email = () => `fresh-${++serial}@roles.example`;

/** One row for each operation: a new endpoint fails here until it has one. */
const ROWS: Readonly<Record<string, Row>> = {
  mintToken: {
    path: () => '/v1/tokens',
    json: ({ label }) => ({ workflow: label, scopes: ['repo:read'], expires_in_days: 7 }),
    answers: { owner: 201, admin: 201, member: 201, auditor: 403 },
    foreign: 422,
  },
  mintTokens: {
    path: () => '/v1/tokens/bulk',
    json: ({ label }) => ({ tokens: [{ workflow: label, scopes: ['repo:read'], expires_in_days: 7 }] }),
    answers: { owner: 201, admin: 201, member: 201, auditor: 403 },
    foreign: 422,
  },
  listTokens: { path: () => '/v1/tokens', answers: all(200) },
  showToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    mine: all(200),
  },
  explainToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/explain`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    mine: all(200),
  },
  tokenUsage: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/usage`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    mine: all(200),
  },
  rotateToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/rotate`,
    json: () => ({}),
    answers: { owner: 201, admin: 201, member: 404, auditor: 403 },
    foreign: 404,
    mine: { owner: 201, admin: 201, member: 201, auditor: 403 },
  },
  revokeToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/revoke`,
    json: () => ({ reason: 'unused' }),
    answers: { owner: 200, admin: 200, member: 404, auditor: 403 },
    foreign: 404,
    mine: { owner: 200, admin: 200, member: 200, auditor: 403 },
  },
  transferToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/transfer`,
    json: ({ memberId }) => ({ owner_id: memberId }),
    answers: { owner: 200, admin: 200, member: 403, auditor: 403 },
    foreign: 404,
    mine: { owner: 200, admin: 200, member: 403, auditor: 403 },
  },
  takeOverToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/take-over`,
    // Nobody is offered it.
    answers: { owner: 409, admin: 409, member: 404, auditor: 403 },
    foreign: 404,
    mine: { owner: 409, admin: 409, member: 409, auditor: 403 },
  },
  reportTokens: {
    path: () => '/v1/reports/tokens?kind=expiring',
    answers: all(200),
  },
  expiryCalendar: { path: () => '/v1/expiries.ics', answers: all(200) },
  unfreezeToken: {
    path: ({ tokenId }) => `/v1/tokens/${tokenId}/unfreeze`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 403 },
    foreign: 404,
    // Somebody else has to.
    mine: { owner: 403, admin: 403, member: 403, auditor: 403 },
  },
  revokeTokens: {
    path: () => '/v1/revocations',
    json: ({ label }) => ({ reason: 'leaked', workflow: label }),
    answers: admins(200),
  },
  reportLeaks: { path: () => '/v1/leaks', json: () => ({ tokens: ['cst_noise'] }), answers: all(202) },
  // Nobody but GitHub signs it.
  reportGithubLeaks: { path: () => '/v1/leaks/github', json: () => [], answers: all(403) },
  listGitlabTokenTypes: { path: () => '/v1/leaks/gitlab/revocable_token_types', answers: all(404) },
  reportGitlabLeaks: { path: () => '/v1/leaks/gitlab/revoke_tokens', json: () => [], answers: all(404) },
  listIncidents: { path: () => '/v1/incidents', answers: all(200) },
  showIncident: {
    path: ({ incidentId }) => `/v1/incidents/${incidentId}`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    mine: all(200),
  },
  closeIncident: {
    path: ({ incidentId }) => `/v1/incidents/${incidentId}/close`,
    json: () => ({ note: 'looked into' }),
    answers: { owner: 200, admin: 200, member: 404, auditor: 403 },
    foreign: 404,
    mine: { owner: 200, admin: 200, member: 200, auditor: 403 },
  },
  listWorkflows: { path: () => '/v1/workflows', answers: all(200) },
  showWorkflow: { path: ({ label }) => `/v1/workflows/${label}`, answers: all(200), foreign: 404 },
  putWorkflow: {
    path: ({ label }) => `/v1/workflows/${label}`,
    json: () => ({ allowed_scopes: ['repo:*'] }),
    answers: admins(200),
  },
  pauseWorkflow: { path: ({ label }) => `/v1/workflows/${label}/pause`, answers: admins(200), foreign: 404 },
  resumeWorkflow: { path: ({ label }) => `/v1/workflows/${label}/resume`, answers: admins(200), foreign: 404 },
  showToolRules: {
    path: ({ label }) => `/v1/workflows/${label}/tool-rules`,
    answers: all(200),
    foreign: 404,
    by: { scopes: ['workflows:read', 'exec:check'], otherwise: all(403) },
  },
  putToolRules: {
    path: ({ label }) => `/v1/workflows/${label}/tool-rules`,
    json: () => ({ default: 'allow', rules: [] }),
    answers: admins(200),
    foreign: 404,
  },
  dryRunToolRules: {
    path: ({ label }) => `/v1/workflows/${label}/tool-rules/dry-run`,
    json: () => ({ tool: 'Bash', input: {} }),
    answers: all(200),
    foreign: 404,
  },
  listTrustRules: { path: () => '/v1/trust-rules', answers: all(200) },
  showTrustRule: { path: ({ ruleName }) => `/v1/trust-rules/${ruleName}`, answers: all(200), foreign: 404 },
  putTrustRule: {
    path: ({ ruleName }) => `/v1/trust-rules/${ruleName}`,
    json: ({ label }) => ({ ...RULES.github_actions, workflow: label }),
    answers: admins(200),
    foreign: 422,
  },
  removeTrustRule: { path: ({ ruleName }) => `/v1/trust-rules/${ruleName}`, answers: admins(204), foreign: 404 },
  dryRunTrustRule: {
    path: ({ ruleName }) => `/v1/trust-rules/${ruleName}/dry-run`,
    json: () => ({ claims: {} }),
    answers: all(200),
    foreign: 404,
  },
  showPolicy: { path: () => '/v1/policy', answers: all(200) },
  putPolicy: { path: () => '/v1/policy', json: () => ({}), answers: admins(200) },
  removePolicy: { path: () => '/v1/policy', answers: admins(204) },
  dryRunPolicy: { path: () => '/v1/policy/dry-run', json: () => ({}), answers: admins(200) },
  listWebhooks: { path: () => '/v1/webhooks', answers: admins(200) },
  addWebhook: {
    path: () => '/v1/webhooks',
    // One that nobody may have, so that the twenty of a workspace do not run out.
    json: () => ({ url: 'https://10.0.0.1/in', events: ['policy.set'] }),
    answers: admins(422),
  },
  showWebhook: { path: ({ webhookId }) => `/v1/webhooks/${webhookId}`, answers: admins(200), foreign: 404 },
  patchWebhook: {
    path: ({ webhookId }) => `/v1/webhooks/${webhookId}`,
    json: () => ({ events: ['policy.set'] }),
    answers: admins(200),
    foreign: 404,
  },
  removeWebhook: { path: ({ webhookId }) => `/v1/webhooks/${webhookId}`, answers: admins(204), foreign: 404 },
  rotateWebhookSecret: {
    path: ({ webhookId }) => `/v1/webhooks/${webhookId}/secret`,
    answers: admins(200),
    foreign: 404,
  },
  testWebhook: { path: ({ webhookId }) => `/v1/webhooks/${webhookId}/test`, answers: admins(202), foreign: 404 },
  listDeliveries: {
    path: ({ webhookId }) => `/v1/webhooks/${webhookId}/deliveries`,
    answers: admins(200),
    foreign: 404,
  },
  replayDelivery: {
    path: ({ webhookId, deliveryId }) => `/v1/webhooks/${webhookId}/deliveries/${deliveryId}/replay`,
    // It is still on its way.
    answers: admins(409),
    foreign: 404,
  },
  listMailDeliveries: { path: () => '/v1/mail-deliveries', answers: admins(200) },
  replayMailDelivery: {
    path: ({ mailId }) => `/v1/mail-deliveries/${mailId}/replay`,
    // It is still on its way.
    answers: admins(409),
    foreign: 404,
  },
  createExecCheck: { path: () => '/v1/exec/checks', json: ({ label }) => ({ workflow: label }), answers: all(200) },
  listExecChecks: { path: () => '/v1/exec/checks', answers: all(200) },
  showExecCheck: {
    path: ({ checkId }) => `/v1/exec/checks/${checkId}`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    by: READERS,
  },
  watchExecCheck: {
    path: ({ checkId }) => `/v1/exec/checks/${checkId}/watch`,
    // Finished before it is asked for, so that no stream stays open.
    answers: { owner: 409, admin: 409, member: 404, auditor: 404 },
    foreign: 404,
    by: RUNNERS,
  },
  finishExecCheck: {
    path: ({ checkId }) => `/v1/exec/checks/${checkId}/finish`,
    json: () => ({ exit_code: 0 }),
    answers: { owner: 200, admin: 200, member: 404, auditor: 404 },
    foreign: 404,
    by: RUNNERS,
  },
  listRuns: { path: () => '/v1/exec/runs', answers: all(200) },
  showRun: {
    path: ({ runId }) => `/v1/exec/runs/${runId}`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    by: READERS,
  },
  renewRun: {
    path: ({ runId }) => `/v1/exec/runs/${runId}/renew`,
    // It is finished.
    answers: { owner: 409, admin: 409, member: 404, auditor: 404 },
    foreign: 404,
    by: RUNNERS,
  },
  stopRun: {
    path: ({ runId }) => `/v1/exec/runs/${runId}/stop`,
    answers: { owner: 409, admin: 409, member: 404, auditor: 403 },
    foreign: 404,
    mine: { owner: 409, admin: 409, member: 409, auditor: 403 },
  },
  listRunners: { path: () => '/v1/runners', answers: readers(200) },
  showRunner: { path: ({ runnerId }) => `/v1/runners/${runnerId}`, answers: readers(200), foreign: 404 },
  patchRunner: {
    path: ({ runnerId }) => `/v1/runners/${runnerId}`,
    json: () => ({ labels: ['linux'] }),
    answers: admins(200),
    foreign: 404,
  },
  suspendRunner: { path: ({ runnerId }) => `/v1/runners/${runnerId}/suspend`, answers: admins(200), foreign: 404 },
  reactivateRunner: {
    path: ({ runnerId }) => `/v1/runners/${runnerId}/reactivate`,
    answers: admins(200),
    foreign: 404,
  },
  removeRunner: { path: ({ runnerId }) => `/v1/runners/${runnerId}`, answers: admins(204), foreign: 404 },
  enrolRunner: { path: () => '/v1/runner-enrolments', json: () => ({ name: 'a' }), answers: all(401) },
  redeemEnrolment: { path: () => `/v1/runner-enrolments/enr_${'0'.repeat(22)}/redeem`, answers: all(404) },
  lookupEnrolment: {
    path: () => '/v1/runner-enrolments/lookup',
    json: () => ({ user_code: 'XXXXX-XXXXX' }),
    answers: admins(422),
  },
  approveEnrolment: {
    path: () => '/v1/runner-enrolments/approve',
    json: () => ({ user_code: 'XXXXX-XXXXX' }),
    answers: admins(422),
    // It gives the runner more than that.
    exact: all(403),
  },
  denyEnrolment: {
    path: () => '/v1/runner-enrolments/deny',
    json: () => ({ user_code: 'XXXXX-XXXXX' }),
    answers: admins(422),
  },
  recordToolDecisions: {
    path: ({ runId }) => `/v1/exec/runs/${runId}/tool-decisions`,
    json: () => ({ decisions: [toolDecision()] }),
    answers: { owner: 200, admin: 200, member: 404, auditor: 404 },
    foreign: 404,
    by: RUNNERS,
  },
  listToolDecisions: {
    path: ({ runId }) => `/v1/exec/runs/${runId}/tool-decisions`,
    answers: { owner: 200, admin: 200, member: 404, auditor: 200 },
    foreign: 404,
    by: READERS,
  },
  introspect: {
    path: () => '/oauth2/introspect',
    form: 'token=cst_of_somebody_else',
    answers: { owner: 200, admin: 200, member: 403, auditor: 200 },
    by: { scopes: ['tokens:introspect', 'exec:check'], otherwise: all(403) },
  },
  revoke: { path: () => '/oauth2/revoke', form: 'token=cst_unknown', answers: all(200) },
  token: { path: () => '/oauth2/token', form: 'grant_type=unheard-of', answers: all(400) },
  deviceAuthorization: {
    path: () => '/oauth2/device_authorization',
    form: 'client_id=countersign-cli',
    answers: all(200),
  },
  serverMetadata: { path: () => '/.well-known/oauth-authorization-server', answers: all(200) },
  jwks: { path: () => '/.well-known/jwks.json', answers: all(200) },
  me: { path: () => '/v1/me', answers: all(200) },
  listMembers: { path: () => '/v1/members', answers: readers(200) },
  showMember: { path: ({ memberId }) => `/v1/members/${memberId}`, answers: readers(200), foreign: 404 },
  inviteMember: {
    path: () => '/v1/members',
    json: () => ({ email: email(), role: 'member' }),
    answers: admins(201),
    exact: all(403),
  },
  acceptInvitation: { path: () => '/v1/members/accept', answers: all(401) },
  patchMember: {
    path: ({ memberId }) => `/v1/members/${memberId}`,
    json: () => ({ name: 'Ada' }),
    answers: admins(200),
    foreign: 404,
  },
  suspendMember: { path: ({ memberId }) => `/v1/members/${memberId}/suspend`, answers: admins(200), foreign: 404 },
  reactivateMember: {
    path: ({ memberId }) => `/v1/members/${memberId}/reactivate`,
    answers: admins(200),
    foreign: 404,
  },
  removeMember: { path: ({ memberId }) => `/v1/members/${memberId}`, answers: admins(204), foreign: 404 },
  listSessions: {
    path: ({ memberId }) => `/v1/sessions?member=${memberId}`,
    answers: readers(200),
    foreign: 404,
    mine: all(200),
    by: { scopes: ['members:read'], otherwise: all(403) },
  },
  endSession: {
    path: ({ sessionId }) => `/v1/sessions/${sessionId}`,
    answers: { owner: 204, admin: 204, member: 404, auditor: 403 },
    foreign: 404,
    mine: all(204),
    by: { scopes: ['members:write'], otherwise: { owner: 403, admin: 403, member: 404, auditor: 403 } },
    // It must be seen to be ended.
    exact: all(404),
  },
  listPasskeys: { path: () => '/v1/passkeys', answers: all(200) },
  addPasskey: { path: () => '/v1/passkeys/registrations', json: () => ({}), answers: all(201) },
  removePasskey: { path: () => `/v1/passkeys/pky_${'0'.repeat(22)}`, answers: all(404) },
  // Nobody here has a passkey to confirm with.
  openStepUp: { path: () => '/v1/step-ups', json: () => ({ act: 'revoke everything' }), answers: all(409) },
  showStepUp: { path: () => `/v1/step-ups/stp_${'0'.repeat(22)}`, answers: all(404) },
  listScimUsers: { path: () => '/scim/v2/Users', answers: readers(200) },
  searchScimUsers: { path: () => '/scim/v2/Users/.search', json: () => ({ count: 1 }), answers: readers(200) },
  createScimUser: { path: () => '/scim/v2/Users', json: () => scimUser(), answers: admins(201) },
  showScimUser: { path: ({ memberId }) => `/scim/v2/Users/${memberId}`, answers: readers(200), foreign: 404 },
  replaceScimUser: {
    path: ({ memberId }) => `/scim/v2/Users/${memberId}`,
    json: () => scimUser(),
    answers: admins(200),
    foreign: 404,
  },
  patchScimUser: {
    path: ({ memberId }) => `/scim/v2/Users/${memberId}`,
    json: () => ({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', value: { displayName: 'Ada' } }],
    }),
    answers: admins(200),
    foreign: 404,
  },
  removeScimUser: { path: ({ memberId }) => `/scim/v2/Users/${memberId}`, answers: admins(204), foreign: 404 },
  listScimGroups: { path: () => '/scim/v2/Groups', answers: readers(200) },
  scimConfig: { path: () => '/scim/v2/ServiceProviderConfig', answers: all(200) },
  listScimResourceTypes: { path: () => '/scim/v2/ResourceTypes', answers: all(200) },
  showScimResourceType: { path: () => '/scim/v2/ResourceTypes/User', answers: all(200) },
  listScimSchemas: { path: () => '/scim/v2/Schemas', answers: all(200) },
  showScimSchema: { path: () => `/scim/v2/Schemas/${USER_SCHEMA}`, answers: all(200) },
  listAuditEvents: { path: () => '/v1/audit-events', answers: readers(200) },
  auditCheckpoint: { path: () => '/v1/audit-events/checkpoint', answers: readers(200) },
  healthz: { path: () => '/healthz', answers: all(200) },
  readyz: { path: () => '/readyz', answers: all(200) },
  metrics: { path: () => '/metrics', answers: all(200) },
  openapi: { path: () => '/openapi.json', answers: all(200) },
  docs: { path: () => '/docs', answers: all(200) },
  approvePage: { path: () => '/runners/approve', answers: all(200) },
  problem: { path: () => '/problems/not-found', answers: all(200) },
};

const freshToken = async () => {
  const { tokenId } = await insertAccess(service.owner.member.id, own.label, ['repo:read']);
  return { tokenId };
};
const freshMember = async () => {
  const { id } = await service.client().members.invite({ email: email(), role: 'member' });
  return { memberId: id };
};
const freshRule = async () => {
  const ruleName = `rule-${++serial}`;
  await service.client().trustRules.put(ruleName, { ...RULES.github_actions, workflow: own.label });
  return { ruleName };
};

/** What is not there for the next role once it was done, or not as it was made: how it is made anew. */
const USED_UP: Readonly<Record<string, () => Promise<Partial<Things>>>> = {
  rotateToken: freshToken,
  transferToken: freshToken,
  revokeToken: freshToken,
  removeMember: freshMember,
  removeScimUser: freshMember,
  removeRunner: async () => ({ runnerId: (await seedRunner(service)).runner.id }),
  putTrustRule: freshRule,
  removeTrustRule: freshRule,
  removeWebhook: () => addHook(service.client()),
};

async function thingsFor(id: string): Promise<Things> {
  return { ...own, ...(await USED_UP[id]?.()) };
}

/** Routes that the interface does not describe, by what their paths begin with, and why no role or scope opens them. */
const NO_OPERATION: Readonly<Record<string, string>> = {
  '/.well-known/oauth-authorization-server/': 'the metadata, for an issuer with a path (RFC 8414 section 3.1)',
  '/scim/v2/Bulk': 'not offered: 501 (RFC 7644 section 3.7)',
  '/scim/v2/Groups': 'not offered but as an empty list',
  '/scim/v2/Me': 'not offered: 501 (RFC 7644 section 3.11)',
  '/console': 'pages: who signed in is known by a cookie, which opens nothing else',
};

function undescribed(): { readonly method: string; readonly path: string }[] {
  const described = operations.map(({ method, path }) => `${method.toUpperCase()} ${routerPath(path)}`);
  return service.service.app.routes.filter(
    ({ method, path }) => method !== 'ALL' && !described.includes(`${method} ${path}`),
  );
}

function routerPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function rowOf(id: string): Row {
  const row = ROWS[id];
  if (row === undefined) throw new Error(`${id} needs a row here: who may do it?`);
  return row;
}

/** What changes nothing, or is not the caller's to be demoted from, though it is no GET: why nobody need be asked again. */
const ASKED_ONCE: Readonly<Record<string, string>> = {
  dryRunToolRules: 'reads',
  dryRunTrustRule: 'reads',
  dryRunPolicy: 'reads',
  lookupEnrolment: 'reads',
  searchScimUsers: 'reads',
  createExecCheck:
    'decided by the one read that admits runs, behind a lock of its own (`test/http/run-limits.test.ts`)',
  finishExecCheck: 'tells what has happened: its job has ended',
  renewRun: 'reads what ends the run behind the lock of the run (`test/http/runs.test.ts`)',
  recordToolDecisions: 'tells what has happened',
  acceptInvitation: 'the invitation is used up in the same statement that asks whether it is good',
  addPasskey: 'makes a link, whose asker is held when it is used (`test/http/passkeys.test.ts`)',
  openStepUp: 'makes a wish, whose token is held when it is confirmed (`test/http/step-up.test.ts`)',
  takeOverToken: 'needs an offer: `test/http/demotion.test.ts`',
};

/** What an operation needs to come as far as the lock, where its row does not. */
const TO_THE_LOCK: Readonly<Record<string, () => Promise<{ readonly path?: string; readonly json?: unknown }>>> = {
  addWebhook: async () => ({ json: { url: 'https://hooks.example/in', events: ['policy.set'] } }),
  approveEnrolment: async () => ({ json: { user_code: await openEnrolment() } }),
  denyEnrolment: async () => ({ json: { user_code: await openEnrolment() } }),
  removePasskey: async () => ({ path: `/v1/passkeys/${await makePasskey()}` }),
};

async function openEnrolment(): Promise<unknown> {
  serial += 1;
  const key = await makeHostKey();
  const sending = { json: { name: `host-${serial}` }, address: `203.0.113.${serial % 250}` };
  return (await sendAsHost(service, key, 'POST', '/v1/runner-enrolments', sending)).body['user_code'];
}

/** A passkey of a member. */
async function makePasskey(): Promise<string> {
  const now = service.clock.now();
  const id = newId('pky', now);
  const memberId = parsePublicId('mem', own.memberId) as MemberId;
  const owned = { workspaceId: service.owner.workspace.id, memberId, createdAt: now };
  const credential = { credentialId: printId('pky', id), publicKey: Buffer.alloc(0), counter: 0, transports: [] };
  await service.db.db.insert(passkeys).values({ ...owned, ...credential, id, name: 'phone', lastUsedAt: null });
  return printId('pky', id);
}

/** What happens to a caller while it waits, and what it gets for an answer. */
interface Fall {
  readonly status: number;
  readonly happens: (fallen: Fallen, sql: TransactionSql, to: Role) => PromiseLike<unknown>;
}

interface Fallen {
  readonly memberId: MemberId;
  readonly tokenId: TokenId;
  readonly token: string;
}

const FALLS: Readonly<Record<string, Fall>> = {
  demoted: {
    status: 403,
    happens: ({ memberId }, sql, to) => sql`update members set role = ${to} where id = ${memberId}`,
  },
  suspended: {
    status: 401,
    happens: ({ memberId }, sql) => sql`update members set status = 'suspended' where id = ${memberId}`,
  },
  revoked: {
    status: 401,
    happens: ({ tokenId }, sql) => sql`update tokens set revoked_at = now() where id = ${tokenId}`,
  },
  frozen: {
    status: 401,
    happens: ({ tokenId }, sql) => sql`update tokens set frozen_at = now() where id = ${tokenId}`,
  },
  paused: { status: 401, happens: (_, sql) => sql`update workflows set paused_at = now() where label = 'falling'` },
};

// Nobody but a person changes it, and what people sign in with is never paused.
const PEOPLE_ONLY = ['putPolicy', 'removePolicy'];

const owners = new Map<string, Promise<Fallen>>();

/** An owner who is about to fall: signed in, or with a token of the workflow that is paused. */
function fallenBy(fall: string): Promise<Fallen> {
  const known = owners.get(fall) ?? makeFallen(fall === 'paused' ? 'falling' : SERVICE_WORKFLOW);
  owners.set(fall, known);
  return known;
}

async function makeFallen(label: string): Promise<Fallen> {
  if (label !== SERVICE_WORKFLOW) await service.makeWorkflow(label);
  const memberId = parsePublicId('mem', (await service.makeMember('owner')).id) as MemberId;
  const { tokenId, token } = await insertAccess(memberId, label, ['workspace:admin']);
  return { memberId, tokenId: parsePublicId('tok', tokenId) as TokenId, token };
}

/** Sends a request as those who wait for the lock when they fall. Gives what each was answered. */
async function askFalling(
  falls: readonly (readonly [string, Fall])[],
  to: Role,
  method: string,
  path: string,
  json: unknown,
) {
  const fallen = await Promise.all(falls.map(([name]) => fallenBy(name)));
  // The first use of a token is on record before anything else.
  await Promise.all(fallen.map(({ token }) => service.client(token).me()));
  const { asked } = await service.db.sql.begin(async (tx) => {
    await tx`select 1 from workspaces where id = ${service.owner.workspace.id} for update`;
    const sent = fallen.map(({ token }) =>
      send(service, method, path, { token, ...(json === undefined ? {} : { json }) }),
    );
    await untilWaiting(sent.length, Promise.race(sent));
    for (const [at, [, { happens }]] of falls.entries()) await happens(fallen[at] as Fallen, tx, to);
    // Not awaited here: they wait for the end of this.
    return { asked: sent };
  });
  const answers = await Promise.all(asked);
  for (const { memberId, tokenId } of fallen) {
    await service.db.sql`update members set role = 'owner', status = 'active' where id = ${memberId}`;
    await service.db.sql`update tokens set revoked_at = null, frozen_at = null where id = ${tokenId}`;
  }
  await service.db.sql`update workflows set paused_at = null where label = 'falling'`;
  return answers.map(({ status }) => status);
}

/** Until so many statements of the service wait for a lock, or `done` is over before. */
async function untilWaiting(many: number, done: Promise<unknown>): Promise<void> {
  let isDone = false;
  const noteDone = () => {
    isDone = true;
  };
  void done.then(noteDone, noteDone);
  for (const deadline = Date.now() + 20_000; !isDone; await nextTurn()) {
    const rows = await service.db.sql`
      select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (rows.length >= many) return;
    if (Date.now() > deadline) throw new Error(`not ${many} statements came to wait in time`);
  }
}

async function ask(id: string, method: string, token: string | null, things: Things): Promise<Answered> {
  const row = rowOf(id);
  return send(service, method.toUpperCase(), row.path(things), {
    token,
    ...(row.json ? { json: row.json(things) } : {}),
    ...(row.form === undefined ? {} : { form: row.form }),
  });
}

function finish({ checkId }: Things): Promise<Answered> {
  return send(service, 'POST', `/v1/exec/checks/${checkId}/finish`, { json: { exit_code: 0 } });
}

describe.each(operations.map((operation) => ({ ...operation })))('$id', (operation) => {
  it('each role gets what it may', async () => {
    const statuses = new Map<Role, number>();
    for (const role of ROLES) {
      const things = await thingsFor(operation.id);
      statuses.set(role, (await ask(operation.id, operation.method, tokens[role], things)).status);
    }
    expect(Object.fromEntries(statuses)).toEqual(rowOf(operation.id).answers);
  });

  // Who proves a key has no token: `test/http/runners.test.ts`.
  if (operation.auth !== 'none' && operation.auth !== 'proof')
    it('nobody gets anything without a live token', async () => {
      for (const dead of [null, deadToken, 'cst_noise']) {
        const answer = await ask(operation.id, operation.method, dead, own);
        expect(answer.status).toBe(401);
        expect(answer.headers.get('www-authenticate')).toMatch(/^(Basic realm=.*, )?Bearer realm=/);
      }
    });

  const by = operation.scope ? { scopes: [operation.scope], otherwise: all(403) } : ROWS[operation.id]?.by;
  if (by !== undefined)
    it('takes a token with its scope and no other, takes workspace:admin, and no other scope instead', async () => {
      const { answers, exact } = rowOf(operation.id);
      const expected = (role: Role, scopes: readonly ServiceScope[]) =>
        (by.scopes.some((scope) => mayUse(role, scopes, scope)) ? answers : by.otherwise)[role];
      for (const role of ROLES) {
        const without = SERVICE_SCOPES.filter((scope) => scope !== 'workspace:admin' && !by.scopes.includes(scope));
        const cells = [
          ...by.scopes.map((scope) => ({ scopes: [scope], status: exact?.[role] ?? expected(role, [scope]) })),
          { scopes: without, status: by.otherwise[role] },
          { scopes: ['workspace:admin' as const], status: expected(role, ['workspace:admin']) },
        ];
        for (const { scopes, status } of cells) {
          const things = status < 300 ? await thingsFor(operation.id) : own;
          const answer = await ask(operation.id, operation.method, await tokenWith(role, scopes), things);
          expect(answer.status, `${role} with ${scopes.join(' ')}`).toBe(status);
          if (status === 403 && operation.scope && !mayUse(role, scopes, operation.scope)) {
            expect(answer.headers.get('www-authenticate')).toContain(
              `error="insufficient_scope", scope="${operation.scope}"`,
            );
          }
        }
      }
    });

  if (operation.auth === 'bearer' && operation.method !== 'get' && ASKED_ONCE[operation.id] === undefined)
    it('who falls while it waits to be decided gets nothing, and nothing changes', async () => {
      const row = rowOf(operation.id);
      const lesser = (['member', 'auditor'] as const).find((role) => row.answers[role] >= 400);
      const falls = Object.entries(FALLS).filter(([fall]) => {
        if (fall === 'demoted') return lesser !== undefined;
        return fall !== 'paused' || !PEOPLE_ONLY.includes(operation.id);
      });
      const things = await thingsFor(operation.id);
      const { path, json } = {
        path: row.path(things),
        json: row.json?.(things),
        ...(await TO_THE_LOCK[operation.id]?.()),
      };
      const head = () => chainHead(service.db.db, service.owner.workspace.id);
      await Promise.all(falls.map(([name]) => fallenBy(name)));
      const before = await head();
      const statuses = await askFalling(falls, lesser ?? 'owner', operation.method.toUpperCase(), path, json);
      expect(falls.map(([fall], at) => [fall, statuses[at]])).toEqual(
        falls.map(([fall, { status }]) => [fall, status]),
      );
      expect(await head()).toEqual(before);
    });

  if (ROWS[operation.id]?.mine !== undefined)
    it('each role gets what it may of what is its own', async () => {
      const statuses = new Map<Role, number>();
      for (const role of ROLES) {
        statuses.set(role, (await ask(operation.id, operation.method, tokens[role], await makeOwn(role))).status);
      }
      expect(Object.fromEntries(statuses)).toEqual(rowOf(operation.id).mine);
    });

  if (ROWS[operation.id]?.foreign !== undefined)
    it('things of another workspace are not told from what does not exist', async () => {
      expect((await ask(operation.id, operation.method, tokens.owner, foreign)).status).toBe(
        rowOf(operation.id).foreign,
      );
      for (const role of ROLES) {
        const [theirs, nobodys] = await Promise.all(
          [foreign, NOTHING].map(async (things) => {
            return told(await ask(operation.id, operation.method, tokens[role], things), things);
          }),
        );
        expect(theirs).toEqual(nobodys);
      }
    });

  if (operation.method === 'get')
    it('shows nothing of another workspace, nor of another member’s tokens to a member', async () => {
      for (const role of ROLES) {
        const { status, text } = await ask(operation.id, operation.method, tokens[role], own);
        if (status !== 200) continue;
        for (const [name, value] of Object.entries(foreign)) expect(text, name).not.toContain(`"${value}"`);
        const theirs = [own.tokenId, own.checkId, own.runId, own.sessionId, own.incidentId];
        if (role === 'member') for (const id of theirs) expect(text).not.toContain(id);
      }
    });
});

describe('rights', () => {
  it('what was asked of another workspace has left no trace there', async () => {
    const client = service.client(foreignOwner);
    expect((await client.tokens.show(foreign.tokenId)).status).toBe('active');
    expect((await client.tokens.show(foreign.tokenId)).owner.id).toBe((await client.me()).id);
    expect((await client.members.show(foreign.memberId)).status).toBe('active');
    expect((await client.workflows.show(foreign.label)).allowed_scopes).toEqual(['repo:*']);
    expect((await client.workflows.toolRules(foreign.label)).rules).toEqual([]);
    expect((await client.runs.show(foreign.runId)).status).toBe('running');
    expect((await client.runners.show(foreign.runnerId)).status).toBe('active');
    expect((await client.trustRules.show(foreign.ruleName)).workflow).toBe(foreign.label);
    expect((await client.incidents.show(foreign.incidentId)).status).toBe('open');
  });

  it('every route is an operation with a row, or says why it is none', () => {
    const known = Object.keys(NO_OPERATION);
    const unknown = undescribed().filter(({ path }) => !known.some((prefix) => path.startsWith(prefix)));
    expect(unknown).toEqual([]);
  });

  it('a page is the same with a token as without one', async () => {
    const pages = undescribed().filter(({ path }) => path.startsWith('/console'));
    expect(pages.length).toBeGreaterThan(0);
    for (const { method, path } of pages) {
      const [without, withOne] = await Promise.all(
        [null, tokens.owner].map((token) => send(service, method, path, { token })),
      );
      expect(withOne?.status, `${method} ${path}`).toBe(without?.status);
      expect(withOne?.headers.get('set-cookie')).toBe(without?.headers.get('set-cookie'));
    }
  });

  it('a token is cut by the role that its creator has now', async () => {
    const { id, token } = await service.makeMember('owner');
    await service.client().members.patch(id, { role: 'auditor' });
    expect((await service.client(token).me()).permissions).not.toContain('tokens:mint');
    expect(
      (await send(service, 'POST', '/v1/members', { token, json: { email: email(), role: 'member' } })).status,
    ).toBe(403);
  });

  it('/v1/me names what a token may do: its role cut by its scopes', async () => {
    const { id, token } = await service.seedToken({ scopes: ['audit:read', 'repo:read'] });
    const me = await service.client(token).me();
    expect(me).toMatchObject({
      id: printId('mem', service.owner.member.id),
      workspace: { id: printId('ws', service.owner.workspace.id), slug: service.owner.workspace.slug },
      permissions: ['audit:read'],
      token: { id, scopes: ['audit:read', 'repo:read'] },
    });
  });
});
