import { accept, invalid, type Result, refuse } from '../../rules/refusal.js';
import type { TokenFacts } from '../../rules/token.js';
import { judgeClaims } from '../../rules/trust-exchange.js';
import { isReservedLabel, isWorkflowLabel } from '../../rules/workflow.js';
import {
  findTrustRule,
  listTrustRules,
  putTrustRule,
  removeTrustRule,
  type TrustRuleChange,
  type TrustRuleView,
} from '../../store/trust-rules.js';
import {
  dryRunTrustRuleOperation,
  listTrustRulesOperation,
  putTrustRuleOperation,
  removeTrustRuleOperation,
  showTrustRuleOperation,
} from '../../wire/trust-rules.js';
import { pageOf, readCursor } from '../cursor.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentTrustRule, presentVerdict } from '../present-trust-rule.js';
import { requireStepUp } from '../step-up.js';
import { termsOf } from '../trust-rule-terms.js';
import { grantorOf } from '../visible.js';

export const listTrustRulesRoute = endpoint(listTrustRulesOperation, async (deps, { caller, query }) => {
  const after = readCursor('trust-rules', query.cursor, (text) => (isWorkflowLabel(text) ? text : undefined));
  if (!after.ok) return after;
  const views = await listTrustRules(deps.db, caller.workspaceId, { limit: query.limit + 1, after: after.value });
  const body = pageOf('trust-rules', views, query.limit, ({ rule }) => rule.name, presentTrustRule);
  return accept({ status: 200, body });
});

export const showTrustRuleRoute = endpoint(showTrustRuleOperation, async (deps, call) => {
  const view = await ruleOf(deps, call);
  return view.ok ? accept({ status: 200, body: presentTrustRule(view.value) }) : view;
});

/** Replaces the whole rule. A token of the workflow that the rule is for cannot set it: a job would let itself in again,
 *  whatever became of its token. */
export const putTrustRuleRoute = endpoint(putTrustRuleOperation, async (deps, call) => {
  const { caller, body } = call;
  const name = call.params['name'] ?? '';
  if (!isWorkflowLabel(name)) {
    return invalid(['name'], 'must be 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends');
  }
  if (isReservedLabel(body.workflow)) return invalid(['workflow'], "is the service's own");
  if (caller.workflowLabel === body.workflow) {
    return refuse({ kind: 'not_allowed', detail: 'a token cannot set a trust rule for its own workflow' });
  }
  const terms = termsOf(deps, body);
  if (!terms.ok) return terms;
  const { issuer, workflow, scopes } = terms.value;
  const act = `set the trust rule ${name}: jobs of ${issuer} get ${scopes.join(' ')} in ${workflow}`;
  const stepped = await requireStepUp(deps, caller, call, act);
  if (!stepped.ok) return stepped;
  const put = await putTrustRule(deps.db, terms.value, changeOf(call.caller, call, name));
  if (!put.ok) return put;
  const { isNew, view } = put.value;
  return accept({
    status: isNew ? 201 : 200,
    headers: isNew ? { location: `/v1/trust-rules/${name}` } : {},
    body: presentTrustRule(view),
  });
});

export const removeTrustRuleRoute = endpoint(removeTrustRuleOperation, async (deps, call) => {
  const view = await ruleOf(deps, call);
  if (!view.ok) return view;
  const { name } = view.value.rule;
  const stepped = await requireStepUp(deps, call.caller, call, `remove the trust rule ${name}`);
  if (!stepped.ok) return stepped;
  const removed = await removeTrustRule(deps.db, changeOf(call.caller, call, name));
  return removed.ok ? accept({ status: 204 }) : removed;
});

/** Tells which claim matches and which does not, and what would be given. */
export const dryRunTrustRuleRoute = endpoint(dryRunTrustRuleOperation, async (deps, call) => {
  const view = await ruleOf(deps, call);
  if (!view.ok) return view;
  return accept({ status: 200, body: presentVerdict(view.value, judgeClaims(view.value, call.body.claims)) });
});

async function ruleOf(
  deps: Deps,
  { caller, params }: Pick<Exchange, 'params'> & { readonly caller: TokenFacts },
): Promise<Result<TrustRuleView>> {
  const name = params['name'] ?? '';
  const view = isWorkflowLabel(name) ? await findTrustRule(deps.db, caller.workspaceId, name) : undefined;
  return view ? accept(view) : refuse({ kind: 'not_found' });
}

function changeOf(caller: TokenFacts, exchange: Exchange, name: string): TrustRuleChange {
  return {
    workspaceId: caller.workspaceId,
    name,
    memberId: caller.creatorId,
    caller: { workspaceId: caller.workspaceId, tokenId: caller.id },
    grantor: grantorOf(caller),
    origin: originOf(caller, exchange),
    now: exchange.now,
  };
}
