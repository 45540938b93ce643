import { parsePublicId } from '../../rules/format.js';
import { directionFault } from '../../rules/grant.js';
import type { LeaverPolicy } from '../../rules/leaver.js';
import { accept, invalid, type Refusal, type Result, refuse } from '../../rules/refusal.js';
import type { TokenFacts } from '../../rules/token.js';
import { isWorkflowLabel } from '../../rules/workflow.js';
import { newPlaces, type WorkflowRotation } from '../../rules/workflow-rotation.js';
import { findWorkflow, listWorkflows, putWorkflow, setPaused } from '../../store/workflows.js';
import type * as wire from '../../wire/resources.js';
import {
  listWorkflowsOperation,
  pauseWorkflowOperation,
  putWorkflowOperation,
  resumeWorkflowOperation,
  showWorkflowOperation,
} from '../../wire/workflows.js';
import { authorize } from '../authenticate.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { type Call, endpoint, originOf } from '../endpoint.js';
import { presentWorkflow } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { actorOf, grantorOf } from '../visible.js';
import { changeableLabel } from '../workflow-label.js';

export const listWorkflowsRoute = endpoint(listWorkflowsOperation, async (deps, { caller, query }) => {
  const after = readCursor('workflows', query.cursor, (text) => (isWorkflowLabel(text) ? text : undefined));
  if (!after.ok) return after;
  const rows = await listWorkflows(deps.db, caller.workspaceId, { limit: query.limit + 1, after: after.value });
  return accept({
    status: 200,
    body: pageOf('workflows', rows, query.limit, (row) => row.label, presentWorkflow),
  });
});

export const showWorkflowRoute = endpoint(showWorkflowOperation, async (deps, call) => {
  const label = call.params['label'] ?? '';
  const row = isWorkflowLabel(label) ? await findWorkflow(deps.db, call.caller.workspaceId, label) : undefined;
  return row ? accept({ status: 200, body: presentWorkflow(row) }) : refuse({ kind: 'not_found' });
});

/** Replaces the whole policy. A scope that is new in it must be the caller's to hand on, and where it reaches further than
 *  before it stays within the place that the calling token is bound to. */
export const putWorkflowRoute = endpoint(putWorkflowOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const label = changeableLabel(call);
  if (!label.ok) return label;
  const leaver = leaverIn(body.leaver);
  if (!leaver.ok) return leaver;
  const policy = {
    description: body.description,
    allowedScopes: body.allowed_scopes,
    allowedExpiryDays: body.allowed_expiry_days,
    constraints: body.constraints,
    maxRunSeconds: body.max_run_seconds,
    maxConcurrentRuns: body.max_concurrent_runs ?? undefined,
    maxConcurrentRunsPerToken: body.max_concurrent_runs_per_token ?? undefined,
    leaver: leaver.value,
    reuseRule: body.reuse_rule,
    contacts: body.contacts,
    rotations: body.rotations.map(rotationIn),
  };
  const newPlaceRefusal = policy.rotations.length === 0 ? undefined : await placeRefusal(deps, call, label.value);
  const by = { actor: actorOf(caller), grantor: grantorOf(caller), origin: originOf(caller, call), newPlaceRefusal };
  const put = await putWorkflow(deps.db, label.value, policy, by, now);
  if (!put.ok) return put;
  const { isNew, row } = put.value;
  return accept({
    status: isNew ? 201 : 200,
    headers: isNew ? { location: `/v1/workflows/${label.value}` } : {},
    body: presentWorkflow(row),
  });
});

/** Why this caller may not direct secrets of a workflow to another place than before: whoever reads that place holds what its
 *  tokens may do. */
async function placeRefusal(
  deps: Deps,
  call: Call<typeof putWorkflowOperation>,
  label: string,
): Promise<Refusal | undefined> {
  const { caller, body } = call;
  const isAdmin = authorize(caller, 'workspace:admin');
  if (!isAdmin.ok) return isAdmin.refusal;
  const detail = directionFault(grantorOf(caller));
  if (detail !== undefined) return { kind: 'not_allowed', detail };
  const stepped = await requireStepUp(deps, caller, call, await directionAct(deps, caller, label, body.rotations));
  return stepped.ok ? undefined : stepped.refusal;
}

/** What a person is asked about: the places that are new, for the rest of a long text is cut. */
async function directionAct(
  { db }: Deps,
  { workspaceId }: TokenFacts,
  label: string,
  asked: readonly wire.WorkflowRotation[],
): Promise<string> {
  const before = await findWorkflow(db, workspaceId, label);
  const places = newPlaces(before?.rotations ?? [], asked);
  const count = places.length === 1 ? 'a new place' : `${places.length} new places`;
  return `put secrets of ${label} into ${count}: ${places.join(' ')}`;
}

function rotationIn(one: wire.WorkflowRotation): WorkflowRotation {
  return {
    name: one.name,
    into: one.into,
    ifExpiresWithinDays: one.if_expires_within_days,
    everyDays: one.every_days,
    expiresInDays: one.expires_in_days,
    overlapSeconds: one.overlap_seconds,
    drainSeconds: one.drain_seconds,
  };
}

function leaverIn(asked: wire.Leaver | null): Result<LeaverPolicy | undefined> {
  if (asked === null) return accept(undefined);
  if (asked.rule !== 'transfer') return accept({ rule: asked.rule });
  const successorId = parsePublicId('mem', asked.successor_id);
  // An id that is too large for its width stands for nobody.
  if (successorId === undefined) return invalid(['leaver', 'successor_id'], 'is not a member of this workspace');
  return accept({ rule: asked.rule, successorId, windowDays: asked.window_days });
}

export const pauseWorkflowRoute = endpoint(pauseWorkflowOperation, async (deps, call) => {
  const label = changeableLabel(call);
  if (!label.ok) return label;
  const by = { actor: actorOf(call.caller), origin: originOf(call.caller, call) };
  const paused = await setPaused(deps.db, label.value, true, by, call.now);
  return paused.ok ? accept({ status: 200, body: presentWorkflow(paused.value) }) : paused;
});

export const resumeWorkflowRoute = endpoint(resumeWorkflowOperation, async (deps, call) => {
  const label = changeableLabel(call);
  if (!label.ok) return label;
  const by = { actor: actorOf(call.caller), origin: originOf(call.caller, call) };
  const resumed = await setPaused(deps.db, label.value, false, by, call.now);
  return resumed.ok ? accept({ status: 200, body: presentWorkflow(resumed.value) }) : resumed;
});
