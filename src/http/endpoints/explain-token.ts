import { explainToken } from '../../rules/explain.js';
import { printId } from '../../rules/format.js';
import { accept, invalid } from '../../rules/refusal.js';
import { eventsOf } from '../../store/events.js';
import { findWorkflow } from '../../store/workflows.js';
import { explainTokenOperation } from '../../wire/tokens.js';
import { endpoint } from '../endpoint.js';
import { visibleToken } from '../visible.js';

/** The state of a token at a time, from the audit trail: who, when, why. */
export const explainTokenRoute = endpoint(explainTokenOperation, async (deps, call) => {
  const view = await visibleToken(deps, call, call.caller);
  if (!view.ok) return view;
  const { token, creator } = view.value;
  const at = call.query.at === undefined ? call.now : new Date(call.query.at);
  if (at < token.createdAt)
    return invalid(['at'], `lies before the token was minted (${token.createdAt.toISOString()})`);
  const workflow = await findWorkflow(deps.db, token.workspaceId, token.workflow);
  if (workflow === undefined) throw new Error('a token without a workflow');
  const id = printId('tok', token.id);
  const runner = token.runnerId === null ? [] : [printId('rnr', token.runnerId)];
  const targets = [id, printId('wfl', workflow.id), printId('mem', creator.id), ...runner];
  const trail = await eventsOf(deps.db, token.workspaceId, targets, at);
  return accept({ status: 200, body: { id, at: at.toISOString(), ...explainToken(token, trail, at) } });
});
