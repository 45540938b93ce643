import { accept, type Result, refuse } from '../../rules/refusal.js';
import { mayUse } from '../../rules/role.js';
import { isActive, runEnd, type TokenFacts } from '../../rules/token.js';
import { decideTool, type ToolRules } from '../../rules/tool-rule.js';
import { isWorkflowLabel } from '../../rules/workflow.js';
import { findToolRules, setToolRules } from '../../store/tool-rules.js';
import { dryRunToolRulesOperation, putToolRulesOperation, showToolRulesOperation } from '../../wire/tool-rules.js';
import { authorize, presented } from '../authenticate.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import { actorOf, grantorOf } from '../visible.js';
import { changeableLabel } from '../workflow-label.js';

/** The rules, for readers of workflows, for runners, and for the tokens that they bind: a guard reads them with its job's,
 *  which may expire or be superseded while the job goes on. */
export const showToolRulesRoute = endpoint(showToolRulesOperation, async (deps, call) => {
  const label = call.params['label'] ?? '';
  const token = await presented(deps, call);
  if (!token.ok) return token;
  const { facts } = token.value;
  const isBound = facts.kind === 'access' && facts.workflowLabel === label && runEnd(facts) === undefined;
  const reader = isBound ? accept(facts) : readerOf(facts, call.now);
  if (!reader.ok) return reader;
  const rules = await rulesOf(deps, facts, label);
  return rules.ok ? accept({ status: 200, body: rules.value }) : rules;
});

function readerOf(facts: TokenFacts, now: Date): Result<TokenFacts> {
  if (!isActive(facts, now)) return refuse({ kind: 'unauthenticated', hasCredentials: true });
  return mayUse(facts.creatorRole, facts.scopes, 'exec:check') ? accept(facts) : authorize(facts, 'workflows:read');
}

/** Replaces the rules. A token's own workflow is not its to set: a job whose token may write workflows would be bound by
 *  nothing but its own word. Nor is one that reaches further than the token's place. */
export const putToolRulesRoute = endpoint(putToolRulesOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const label = changeableLabel(call);
  if (!label.ok) return label;
  if (caller.workflowLabel === label.value) {
    return refuse({ kind: 'not_allowed', detail: 'a token cannot set the tool rules of its own workflow' });
  }
  const by = { actor: actorOf(caller), grantor: grantorOf(caller), origin: originOf(caller, call) };
  const rules = await setToolRules(deps.db, label.value, body, by, now);
  return rules.ok ? accept({ status: 200, body: rules.value }) : rules;
});

/** Tells which rule decides about a call, and why none before it does. */
export const dryRunToolRulesRoute = endpoint(dryRunToolRulesOperation, async (deps, { caller, params, body }) => {
  const stored = await rulesOf(deps, caller, params['label'] ?? '');
  if (!stored.ok) return stored;
  const rules = body.rules ?? stored.value;
  const { verdict, rule, reason, trace } = decideTool(rules, { tool: body.tool, input: body.input });
  const matched = rule === undefined ? undefined : rules.rules[rule];
  return accept({ status: 200, body: { verdict, rule: rule ?? null, matched: matched ?? null, reason, trace } });
});

async function rulesOf(deps: Deps, caller: TokenFacts, label: string): Promise<Result<ToolRules>> {
  const rules = isWorkflowLabel(label) ? await findToolRules(deps.db, caller.workspaceId, label) : undefined;
  return rules ? accept(rules) : refuse({ kind: 'not_found' });
}
