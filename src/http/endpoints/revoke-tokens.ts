import { parsePublicId, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import type { TokenFacts } from '../../rules/token.js';
import { countTokens, revokeTokens, type Selection } from '../../store/mass-revocation.js';
import { revokeManyOperation } from '../../wire/tokens.js';
import { type Call, endpoint, originOf } from '../endpoint.js';
import { requireStepUp } from '../step-up.js';
import { actorOf } from '../visible.js';

/** The panic button: one transaction, whatever it takes with it, the calling token included. */
export const revokeTokensRoute = endpoint(revokeManyOperation, async (deps, call) => {
  const { caller, body, now } = call;
  const selection = selectionOf(body);
  const allowed = mayRevoke(caller, selection);
  if (!allowed.ok) return allowed;
  if (selection === undefined) return accept({ status: 200, body: { revoked: 0, token_ids: [] } });
  const confirmed = body.dry_run === true || (await requireStepUp(deps, caller, call, actOf(selection)));
  if (confirmed !== true && !confirmed.ok) return confirmed;
  const cause = { reason: body.reason, note: undefined, origin: originOf(caller, call) };
  const revoked =
    body.dry_run === true
      ? accept(await countTokens(deps.db, caller.workspaceId, selection, now))
      : await revokeTokens(deps.db, actorOf(caller), selection, cause, now);
  if (!revoked.ok) return revoked;
  const { count, ids } = revoked.value;
  if (body.dry_run !== true) deps.metrics.tokens('revoked', count);
  return accept({ status: 200, body: { revoked: count, token_ids: ids.map((id) => printId('tok', id)) } });
});

/** What is meant; `undefined` when the id is too large for its width and so means nothing. */
function selectionOf(body: Call<typeof revokeManyOperation>['body']): Selection | undefined {
  if (body.workflow !== undefined) return { by: 'workflow', workflow: body.workflow };
  if (body.issued_before !== undefined) return { by: 'issued_before', at: new Date(body.issued_before) };
  if (body.workspace !== undefined) return { by: 'workspace' };
  const creatorId = parsePublicId('mem', body.creator_id ?? '');
  if (creatorId !== undefined) return { by: 'creator', creatorId };
  const lineageId = parsePublicId('tok', body.lineage_id ?? '');
  return lineageId && { by: 'lineage', lineageId };
}

/** What is about to happen, for the one who confirms it. */
function actOf(selection: Selection): string {
  switch (selection.by) {
    case 'workflow':
      return `revoke all tokens of the workflow ${selection.workflow}`;
    case 'creator':
      return `revoke all tokens made by ${printId('mem', selection.creatorId)}`;
    case 'lineage':
      return `revoke the line of tokens that ${printId('tok', selection.lineageId)} is of`;
    case 'issued_before':
      return `revoke all tokens issued before ${selection.at.toISOString()}`;
    case 'workspace':
      return 'revoke all tokens of the workspace';
  }
}

/** Members end their own tokens and nobody else's. */
function mayRevoke(caller: TokenFacts, selection: Selection | undefined): Result<undefined> {
  if (seesAllTokens(caller.creatorRole)) return accept(undefined);
  if (selection?.by === 'creator' && selection.creatorId === caller.creatorId) return accept(undefined);
  return refuse({
    kind: 'not_allowed',
    detail: 'your role may revoke your own tokens only: name yourself as creator_id',
  });
}
