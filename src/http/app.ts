import { randomUUID } from 'node:crypto';
import { Hono } from 'hono';
import { type Refusal, refuse } from '../rules/refusal.js';
import { BatchFullError } from '../store/batch.js';
import { isUnavailable } from '../store/connect.js';
import { LookupTimeoutError } from '../store/lookup.js';
import { HashQueueFullError } from '../store/secret.js';
import { clientAddress } from './address.js';
import type { Exchange } from './authenticate.js';
import type { Deps } from './deps.js';
import type { Route } from './endpoint.js';
import { acceptInvitationRoute } from './endpoints/accept-invitation.js';
import { auditCheckpointRoute, listAuditEventsRoute } from './endpoints/audit-events.js';
import { createExecCheckRoute } from './endpoints/create-exec-check.js';
import {
  finishExecCheckRoute,
  listExecChecksRoute,
  showExecCheckRoute,
  watchExecCheckRoute,
} from './endpoints/exec-checks.js';
import { explainTokenRoute } from './endpoints/explain-token.js';
import { introspectRoute } from './endpoints/introspect.js';
import { inviteMemberRoute } from './endpoints/invite-member.js';
import { listTokensRoute } from './endpoints/list-tokens.js';
import { meRoute } from './endpoints/me.js';
import {
  listMembersRoute,
  patchMemberRoute,
  reactivateMemberRoute,
  removeMemberRoute,
  showMemberRoute,
  suspendMemberRoute,
} from './endpoints/members.js';
import { jwksRoute, metadataRoute } from './endpoints/metadata.js';
import { mintTokenRoute } from './endpoints/mint-token.js';
import { revokeRoute } from './endpoints/revoke.js';
import { revokeTokenRoute } from './endpoints/revoke-token.js';
import { revokeTokensRoute } from './endpoints/revoke-tokens.js';
import { rotateTokenRoute } from './endpoints/rotate-token.js';
import { showTokenRoute } from './endpoints/show-token.js';
import {
  docsRoute,
  healthRoute,
  metricsRoute,
  openApiRoute,
  problemRoute,
  readinessRoute,
} from './endpoints/system.js';
import { transferTokenRoute } from './endpoints/transfer-token.js';
import {
  listWorkflowsRoute,
  pauseWorkflowRoute,
  putWorkflowRoute,
  resumeWorkflowRoute,
  showWorkflowRoute,
} from './endpoints/workflows.js';
import { INTERNAL, oauthResponse, problemResponse, type Refused, refused } from './refuse.js';

const ROUTES: readonly Route[] = [
  introspectRoute,
  createExecCheckRoute,
  revokeRoute,
  metadataRoute,
  jwksRoute,
  mintTokenRoute,
  listTokensRoute,
  showTokenRoute,
  explainTokenRoute,
  rotateTokenRoute,
  revokeTokenRoute,
  transferTokenRoute,
  revokeTokensRoute,
  listWorkflowsRoute,
  showWorkflowRoute,
  putWorkflowRoute,
  pauseWorkflowRoute,
  resumeWorkflowRoute,
  listMembersRoute,
  inviteMemberRoute,
  acceptInvitationRoute,
  showMemberRoute,
  patchMemberRoute,
  removeMemberRoute,
  suspendMemberRoute,
  reactivateMemberRoute,
  meRoute,
  listAuditEventsRoute,
  auditCheckpointRoute,
  listExecChecksRoute,
  showExecCheckRoute,
  watchExecCheckRoute,
  finishExecCheckRoute,
  healthRoute,
  readinessRoute,
  metricsRoute,
  openApiRoute,
  docsRoute,
  problemRoute,
];

/** What the node server tells of a connection. */
interface Bindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } };
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** The whole HTTP interface over its dependencies. */
export function createApp(deps: Deps): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>();
  for (const route of ROUTES) {
    const path = route.operation.path.replaceAll(/\{(\w+)\}/g, ':$1');
    app.on(route.operation.method.toUpperCase(), path, (c) =>
      answer(deps, route.operation.path, c.req.raw, c.req.param(), peerOf(c.env), route.handle),
    );
  }
  for (const [path, methods] of methodsByPath()) {
    app.all(path.replaceAll(/\{(\w+)\}/g, ':$1'), (c) =>
      answer(deps, path, c.req.raw, {}, peerOf(c.env), async () =>
        refuse({ kind: 'method_not_allowed', allow: methods }),
      ),
    );
  }
  app.notFound((c) => answer(deps, 'none', c.req.raw, {}, peerOf(c.env), async () => refuse({ kind: 'not_found' })));
  return app;
}

function methodsByPath(): Map<string, string[]> {
  const paths = new Map<string, string[]>();
  for (const { operation } of ROUTES) {
    const method = operation.method.toUpperCase();
    // Hono answers HEAD where there is GET. RFC 9110 section 9.3.2.
    paths.set(operation.path, [...(paths.get(operation.path) ?? []), method, ...(method === 'GET' ? ['HEAD'] : [])]);
  }
  return paths;
}

/** Runs a handler and answers, whatever happens. */
async function answer(
  deps: Deps,
  route: string,
  request: Request,
  params: Record<string, string>,
  peer: string | undefined,
  handle: Route['handle'],
): Promise<Response> {
  const startedAt = performance.now();
  const given = request.headers.get('x-request-id') ?? '';
  const requestId = REQUEST_ID.test(given) ? given : randomUUID();
  const exchange: Exchange = {
    request,
    path: new URL(request.url).pathname,
    params,
    ip: clientAddress(peer, request.headers.get('x-forwarded-for'), deps.trustedProxies),
    requestId,
    now: deps.now(),
    signal: request.signal,
  };
  const response = await responseOf(deps, exchange, handle);
  response.headers.set('x-request-id', requestId);
  response.headers.set('x-content-type-options', 'nosniff');
  if (!response.headers.has('cache-control')) response.headers.set('cache-control', 'no-store');
  const seconds = (performance.now() - startedAt) / 1000;
  deps.metrics.request(request.method, route, response.status, seconds);
  deps.log.debug({ requestId, method: request.method, route, status: response.status, seconds }, 'answered');
  return response;
}

async function responseOf(deps: Deps, exchange: Exchange, handle: Route['handle']): Promise<Response> {
  try {
    const outcome = await handle(deps, exchange);
    if (outcome.ok) return outcome.value;
    return refusalResponse(deps, exchange, refused(outcome.refusal));
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal?.kind === 'database_unavailable') {
      deps.log.warn({ requestId: exchange.requestId, err: error }, 'the database is out of reach');
    }
    if (refusal) return refusalResponse(deps, exchange, refused(refusal));
    if (exchange.signal.aborted) deps.log.debug({ requestId: exchange.requestId }, 'the caller went away');
    else deps.log.error({ requestId: exchange.requestId, err: error }, 'unexpected error');
    return refusalResponse(deps, exchange, INTERNAL);
  }
}

function refusalResponse(deps: Deps, exchange: Exchange, answered: Refused): Response {
  if (exchange.path.startsWith('/oauth2/')) return oauthResponse(answered);
  return problemResponse(answered, deps.issuer, exchange.path);
}

/** What a thrown error means to the caller; `undefined` for what nobody foresaw. */
function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof BatchFullError || error instanceof HashQueueFullError) {
    return { kind: 'busy', retryAfterSeconds: 1 };
  }
  if (error instanceof LookupTimeoutError || isUnavailable(error)) {
    return { kind: 'database_unavailable', retryAfterSeconds: 1 };
  }
  return undefined;
}

function peerOf(env: Bindings | undefined): string | undefined {
  return env?.incoming?.socket?.remoteAddress;
}
