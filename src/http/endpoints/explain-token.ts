import { explainToken, type TrailEvent } from '../../rules/explain.js';
import { printId } from '../../rules/format.js';
import { accept, invalid } from '../../rules/refusal.js';
import { isBeyondReach, policyFaults } from '../../rules/workspace-policy.js';
import { eventsOf } from '../../store/events.js';
import type { TokenView } from '../../store/tokens.js';
import { findWorkflow, type WorkflowRow } from '../../store/workflows.js';
import { workspacePolicy } from '../../wire/policy-answers.js';
import { explainTokenOperation } from '../../wire/tokens.js';
import { endpoint } from '../endpoint.js';
import { readPolicy } from '../read-policy.js';
import { readableToken } from '../visible.js';

/** The state of a token at a time, from the audit trail: who, when, why. */
export const explainTokenRoute = endpoint(explainTokenOperation, async (deps, call) => {
  const view = await readableToken(deps, call, call.caller);
  if (!view.ok) return view;
  const { token, creator } = view.value;
  const at = call.query.at === undefined ? call.now : new Date(call.query.at);
  if (at < token.createdAt)
    return invalid(['at'], `lies before the token was minted (${token.createdAt.toISOString()})`);
  const workflow = await findWorkflow(deps.db, token.workspaceId, token.workflow);
  if (workflow === undefined) throw new Error('a token without a workflow');
  const id = printId('tok', token.id);
  const runner = token.runnerId === null ? [] : [printId('rnr', token.runnerId)];
  const workspace = printId('ws', token.workspaceId);
  const targets = [id, printId('wfl', workflow.id), printId('mem', creator.id), workspace, ...runner];
  const isBound = !isBeyondReach({ ...token, workflowLabel: token.workflow });
  const told = await eventsOf(deps.db, token.workspaceId, targets, at);
  const trail = told.filter(({ action }) => isBound || action !== 'policy.set');
  const policyFaults = faultsAt(view.value, workflow, trail);
  const explained = explainToken({ ...token, policyFaults }, trail, at);
  return accept({ status: 200, body: { id, at: at.toISOString(), ...explained } });
});

/** What the token did not keep to of the policy that was the last of the trail, if that blocked. Its workflow's place and
 *  its creator's role count as they are today. */
function faultsAt({ token, creator }: TokenView, workflow: WorkflowRow, trail: readonly TrailEvent[]): string[] {
  const set = trail.findLast(({ action }) => action === 'policy.set');
  const shown = workspacePolicy.safeParse(set?.data['after']);
  if (!shown.success || shown.data.enforcement !== 'block') return [];
  const made = { workflowLabel: workflow.label, workflowConstraints: workflow.constraints, creatorRole: creator.role };
  return policyFaults({ ...token, ...made }, readPolicy(shown.data)).map(({ detail }) => detail);
}
