import { canonicalJson } from '../../rules/audit.js';
import { widerKinds } from '../../rules/constraint.js';
import { findTokens, printId } from '../../rules/format.js';
import { grantedConstraints, scopeFault } from '../../rules/grant.js';
import { addDays } from '../../rules/lifetime.js';
import { accept, type FieldError, invalid, type Result, refuse } from '../../rules/refusal.js';
import { areGuarded } from '../../rules/step-up.js';
import { isReservedLabel } from '../../rules/workflow.js';
import { type IdempotentRequest, mintToken } from '../../store/mint.js';
import { findToken } from '../../store/tokens.js';
import { findWorkflow, type WorkflowRow } from '../../store/workflows.js';
import { mintOperation } from '../../wire/tokens.js';
import { type Call, endpoint, originOf } from '../endpoint.js';
import { presentToken } from '../present.js';
import { requireStepUp } from '../step-up.js';
import { grantorOf } from '../visible.js';

type MintCall = Call<typeof mintOperation>;

/** Mints a token: parse, decide what may be granted, insert, show the secret this once. */
export const mintTokenRoute = endpoint(mintOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const idempotent = idempotencyOf(call);
  if (!idempotent.ok) return idempotent;
  const workflow = usableWorkflow(await findWorkflow(deps.db, caller.workspaceId, body.workflow));
  if (!workflow.ok) return workflow;
  const granted = decideGrant(call, workflow.value);
  if (!granted.ok) return granted;

  if (areGuarded(body.scopes)) {
    const act = `mint a token of ${workflow.value.label} with ${body.scopes.join(' ')}`;
    const confirmed = await requireStepUp(deps, caller, call, act);
    if (!confirmed.ok) return confirmed;
  }
  const minted = await mintToken(deps.db, deps.secrets, {
    draft: {
      workspaceId: caller.workspaceId,
      workflow: workflow.value.label,
      creatorId: caller.creatorId,
      ownerId: caller.creatorId,
      name: body.name ?? null,
      scopes: body.scopes,
      constraints: granted.value.constraints,
      notBefore: body.not_before === undefined ? null : new Date(body.not_before),
      expiresInDays: body.expires_in_days,
    },
    idempotent: idempotent.value,
    issuer: { workspaceId: caller.workspaceId, tokenId: caller.id },
    origin: originOf(caller, call),
    now,
    signal: call.signal(),
  });
  if (!minted.ok) return minted;
  deps.metrics.tokens('minted', 1);
  const view = await findToken(deps.db, caller.workspaceId, minted.value.id, now);
  if (view === undefined) throw new Error('a minted token is not there');
  const headers = { location: `/v1/tokens/${printId('tok', view.token.id)}` };
  return accept({ status: 201, headers, body: { ...presentToken(view), token: minted.value.printed } });
});

function idempotencyOf(call: MintCall): Result<IdempotentRequest | undefined> {
  const key = call.header('idempotency-key');
  if (key === undefined) return accept(undefined);
  if (!/^[\x20-\x7e]{1,255}$/.test(key) || findTokens(key).length > 0) {
    return refuse({ kind: 'malformed_body', detail: 'an Idempotency-Key is 1 to 255 printable ASCII characters' });
  }
  return accept({ key, body: canonicalJson(call.body) });
}

function usableWorkflow(workflow: WorkflowRow | undefined): Result<WorkflowRow> {
  if (workflow === undefined) return invalid(['workflow'], 'is not a workflow of this workspace');
  if (isReservedLabel(workflow.label)) return invalid(['workflow'], "is the service's own");
  if (workflow.pausedAt) {
    return refuse({ kind: 'conflict', code: 'workflow_not_active', detail: 'the workflow is paused' });
  }
  return accept(workflow);
}

/** What the workflow's policy and the caller's own rights allow of what was asked for. */
function decideGrant({ caller, body, now }: MintCall, workflow: WorkflowRow) {
  const grantor = grantorOf(caller);
  const faults = body.scopes.map((scope) => scopeFault(grantor, workflow, scope));
  const beyond = body.scopes.filter((_, at) => faults[at] === 'grantor');
  if (beyond.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the calling token may not hand on ${beyond.join(', ')}` });
  }
  const { constraints, widened } = grantedConstraints(body.constraints ?? {}, workflow.constraints);
  const errors: FieldError[] = [
    ...body.scopes.flatMap((scope, at) =>
      faults[at] === 'policy' ? [{ pointer: `#/scopes/${at}`, detail: `the workflow does not allow ${scope}` }] : [],
    ),
    ...widened.map((kind) => ({ pointer: `#/constraints/${kind}`, detail: "reaches beyond the workflow's" })),
    ...(workflow.allowedExpiryDays.includes(body.expires_in_days)
      ? []
      : [{ pointer: '#/expires_in_days', detail: `must be one of ${workflow.allowedExpiryDays.join(', ')}` }]),
    ...(body.not_before !== undefined && new Date(body.not_before) >= addDays(now, body.expires_in_days)
      ? [{ pointer: '#/not_before', detail: 'must lie before the expiry' }]
      : []),
  ];
  if (errors.length > 0) return refuse({ kind: 'invalid', errors });
  const wider = widerKinds(constraints, grantor.constraints);
  if (wider.length > 0) {
    return refuse({ kind: 'not_allowed', detail: `the calling token is bound to narrower ${wider.join(', ')}` });
  }
  return accept({ constraints });
}
