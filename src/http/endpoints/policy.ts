import { accept, type Result, refuse } from '../../rules/refusal.js';
import { isSignIn } from '../../rules/step-up.js';
import type { TokenFacts } from '../../rules/token.js';
import type { WorkspacePolicy } from '../../rules/workspace-policy.js';
import { findBeyondPolicy } from '../../store/beyond-policy.js';
import { countUnused } from '../../store/unused.js';
import { findPolicy, setPolicy, shownPolicy } from '../../store/workspace-policy.js';
import {
  dryRunPolicyOperation,
  putPolicyOperation,
  removePolicyOperation,
  showPolicyOperation,
} from '../../wire/policy.js';
import type { PolicyOutcome } from '../../wire/policy-resources.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { presentBeyondPolicy } from '../present.js';
import { readPolicy } from '../read-policy.js';
import { requireStepUp } from '../step-up.js';

export const showPolicyRoute = endpoint(showPolicyOperation, async (deps, { caller }) => {
  return accept({ status: 200, body: shownPolicy(await findPolicy(deps.db, caller.workspaceId)) });
});

/** Sets the policy, then looks for what does not comply: whatever is issued from then on does. */
export const putPolicyRoute = endpoint(putPolicyOperation, async (deps, call) => {
  const policy = readPolicy(call.body);
  const act = policy.enforcement === 'block' ? 'set a policy that blocks' : 'set a policy that reports';
  const set = await changed(deps, call, call.caller, policy, `${act}, for the whole workspace`);
  if (!set.ok) return set;
  return accept({ status: 200, body: await outcomeOf(deps, call.caller, policy, call.now) });
});

export const removePolicyRoute = endpoint(removePolicyOperation, async (deps, call) => {
  const set = await changed(deps, call, call.caller, undefined, 'take the policy of the workspace away');
  return set.ok ? accept({ status: 204 }) : set;
});

export const dryRunPolicyRoute = endpoint(dryRunPolicyOperation, async (deps, { caller, body, now }) => {
  return accept({ status: 200, body: await outcomeOf(deps, caller, readPolicy(body), now) });
});

/** Changes the policy, for a person. A token of a workflow is bound by it: a job that could change it would be bound by
 *  nothing but its own word. */
async function changed(
  deps: Deps,
  exchange: Exchange,
  caller: TokenFacts,
  policy: WorkspacePolicy | undefined,
  act: string,
): Promise<Result<undefined>> {
  if (!isSignIn(caller)) {
    return refuse({
      kind: 'not_allowed',
      detail: 'a token of a workflow cannot change the policy that binds it: sign in',
    });
  }
  const confirmed = await requireStepUp(deps, caller, exchange, act);
  if (!confirmed.ok) return confirmed;
  const { workspaceId } = caller;
  const by = { caller: { workspaceId, tokenId: caller.id }, origin: originOf(caller, exchange) };
  return setPolicy(deps.db, policy, { workspaceId, ...by, now: exchange.now });
}

async function outcomeOf(deps: Deps, caller: TokenFacts, policy: WorkspacePolicy, now: Date): Promise<PolicyOutcome> {
  const { count, first, crowded } = await findBeyondPolicy(deps.db, caller.workspaceId, policy, now);
  const days = policy.freezeUnusedAfterDays;
  return {
    policy: shownPolicy(policy),
    not_complying: count,
    tokens: first.map(presentBeyondPolicy),
    to_freeze: days === undefined ? 0 : await countUnused(deps.db, caller.workspaceId, days, now),
    crowded_workflows: [...crowded],
  };
}
