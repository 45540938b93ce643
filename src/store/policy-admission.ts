import { and, eq, sql } from 'drizzle-orm';
import type { Constraints } from '../rules/constraint.js';
import type { MemberId, WorkspaceId } from '../rules/format.js';
import { pointerTo, type Refusal } from '../rules/refusal.js';
import type { TokenKind } from '../rules/token.js';
import { isBeyondReach, policyFaults } from '../rules/workspace-policy.js';
import type { Tx } from './database.js';
import { isPoliced, isSuccessor, lives, successors } from './live-tokens.js';
import { members, tokens, workflows, workspaces } from './schema.js';

/** A token that is to be issued, as far as a policy speaks of it. */
export interface Issued {
  readonly workspaceId: WorkspaceId;
  readonly kind: TokenKind;
  readonly workflow: string;
  readonly creatorId: MemberId;
  readonly scopes: readonly string[];
  readonly constraints: Constraints;
  readonly expiresAt: Date;
  /** When it was made, for one that is there already. */
  readonly createdAt?: Date;
}

/** Why the workspace's policy of this moment lets no such token be issued; `undefined` when it does. Whether the policy
 *  blocks or reports makes no difference: what is new complies. Ask behind `lockForIssue`: the policy stays as it is to the
 *  end of the transaction. `isAdded` for one more token than there was, for which there must be room in the workflow: where
 *  room is bounded, the workflow is held to the end. A rotation adds none. */
export async function policyRefusal(tx: Tx, issued: Issued, isAdded: boolean, now: Date): Promise<Refusal | undefined> {
  const { workspaceId, workflow: workflowLabel } = issued;
  if (isBeyondReach({ ...issued, workflowLabel })) return undefined;
  const [found] = await tx
    .select({ policy: workspaces.policy, creatorRole: members.role, workflowConstraints: workflows.constraints })
    .from(workspaces)
    .innerJoin(members, and(eq(members.workspaceId, workspaces.id), eq(members.id, issued.creatorId)))
    .innerJoin(workflows, and(eq(workflows.workspaceId, workspaces.id), eq(workflows.label, workflowLabel)))
    .where(eq(workspaces.id, workspaceId));
  if (!found?.policy) return undefined;
  const { policy, ...surroundings } = found;
  const faults = policyFaults({ createdAt: now, ...issued, ...surroundings, workflowLabel }, policy);
  const minter = faults.find(({ rule }) => rule === 'minters');
  if (minter) return { kind: 'not_allowed', detail: minter.detail };
  if (faults.length > 0) {
    const errors = faults.map(({ path, detail }) => ({ pointer: pointerTo(path), detail }));
    return { kind: 'invalid', errors };
  }
  const most = policy.maxTokensPerWorkflow;
  if (!isAdded || most === undefined || (await hasRoom(tx, issued, most, now))) return undefined;
  const detail = `the workflow has as many tokens as the workspace's policy allows: ${most}`;
  return { kind: 'invalid', errors: [{ pointer: pointerTo(['workflow']), detail }] };
}

/** What {@link policyRefusal} says, in one line, for who sent no such request. */
export function plainly(refusal: Refusal): string {
  if (refusal.kind === 'invalid') return refusal.errors.map(({ detail }) => detail).join('; ');
  return refusal.kind === 'not_allowed' ? refusal.detail : "the workspace's policy does not let it be issued";
}

/** Whether a workflow has fewer tokens than that, with the workflow held to the end of the transaction: one counts at a
 *  time. A token counts once, together with those that it was rotated from and to. */
async function hasRoom(tx: Tx, { workspaceId, workflow }: Issued, most: number, now: Date): Promise<boolean> {
  await tx
    .select({ id: workflows.id })
    .from(workflows)
    .where(and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, workflow)))
    .for('no key update');
  const isLive = and(isPoliced(workspaceId, now), eq(tokens.workflow, workflow), ...lives(now));
  const [row] = await tx
    .select({ lines: sql<string>`count(distinct ${tokens.lineageId})` })
    .from(tokens)
    .leftJoin(successors, isSuccessor)
    .where(isLive);
  return Number(row?.lines ?? 0) < most;
}
