import { eq } from 'drizzle-orm';
import { canonicalJson } from '../rules/audit.js';
import { printId, type WorkspaceId } from '../rules/format.js';
import { accept, type Result } from '../rules/refusal.js';
import { isUnbounded, type WorkspacePolicy } from '../rules/workspace-policy.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { workspaces } from './schema.js';
import type { Issuer } from './workspace-lock.js';

/** Who changes the policy, and how that is put on record. */
export interface PolicyChange {
  readonly workspaceId: WorkspaceId;
  readonly caller: Issuer;
  readonly origin: Origin;
  readonly now: Date;
}

/** The policy of a workspace; `undefined` for none. */
export async function findPolicy(db: Db | Tx, workspaceId: WorkspaceId): Promise<WorkspacePolicy | undefined> {
  const [row] = await db.select({ policy: workspaces.policy }).from(workspaces).where(eq(workspaces.id, workspaceId));
  return row?.policy ?? undefined;
}

/** Sets the policy of a workspace, or takes it away. What is issued meanwhile is waited for, so that no token slips past
 *  it. In effect when it returns. The same again changes nothing. */
export function setPolicy(
  db: Db,
  policy: WorkspacePolicy | undefined,
  { workspaceId, caller, origin, now }: PolicyChange,
): Promise<Result<undefined>> {
  const after = policy === undefined || (policy.enforcement === 'report' && isUnbounded(policy)) ? undefined : policy;
  return inTransaction(db, async (tx) => {
    const allowed = await lockForAct(tx, caller, 'end', 'workspace:admin');
    if (!allowed.ok) return allowed;
    const before = await findPolicy(tx, workspaceId);
    if (isSame(before, after)) return accept(undefined);
    await tx
      .update(workspaces)
      .set({ policy: after ?? null })
      .where(eq(workspaces.id, workspaceId));
    const data = { before: shownPolicy(before), after: shownPolicy(after) };
    const event = { action: 'policy.set', target: printId('ws', workspaceId), data } as const;
    await recordEvents(tx, workspaceId, origin, [event], now);
    return accept(undefined);
  });
}

/** A policy in the wire's words, as the audit trail keeps it. */
export function shownPolicy(policy: WorkspacePolicy | undefined) {
  return {
    enforcement: policy?.enforcement ?? 'report',
    longest_expiry_days: policy?.longestExpiryDays ?? null,
    allowed_scopes: listed(policy?.allowedScopes),
    required_constraints: listed(policy?.requiredConstraints),
    allowed_repositories: listed(policy?.allowedRepositories),
    max_tokens_per_workflow: policy?.maxTokensPerWorkflow ?? null,
    minters: listed(policy?.minters),
    freeze_unused_after_days: policy?.freezeUnusedAfterDays ?? null,
  };
}

function listed<T>(list: readonly T[] | undefined): T[] | null {
  return list === undefined ? null : [...list];
}

function isSame(a: WorkspacePolicy | undefined, b: WorkspacePolicy | undefined): boolean {
  return canonicalJson(shownPolicy(a)) === canonicalJson(shownPolicy(b));
}
