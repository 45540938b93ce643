import { and, eq, inArray, sql } from 'drizzle-orm';
import type { Constraints } from '../rules/constraint.js';
import type { MemberId, WorkspaceId } from '../rules/format.js';
import { pointerTo, type Refusal } from '../rules/refusal.js';
import type { TokenKind } from '../rules/token.js';
import { isBeyondReach, type PolicedToken, policyFaults, type WorkspacePolicy } from '../rules/workspace-policy.js';
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
  const [refusal] = await policyRefusals(tx, [issued], isAdded, now);
  return refusal;
}

/** As {@link policyRefusal}, of each of several, of one workspace and one creator: each needs room beside those before it. */
export async function policyRefusals(
  tx: Tx,
  issued: readonly Issued[],
  isAdded: boolean,
  now: Date,
): Promise<readonly (Refusal | undefined)[]> {
  const policed = issued.filter(({ kind, workflow }) => !isBeyondReach({ kind, workflowLabel: workflow }));
  const [first] = policed;
  if (first === undefined) return [];
  const labels = [...new Set(policed.map(({ workflow }) => workflow))];
  const found = await tx
    .select({
      label: workflows.label,
      policy: workspaces.policy,
      creatorRole: members.role,
      workflowConstraints: workflows.constraints,
    })
    .from(workspaces)
    .innerJoin(members, and(eq(members.workspaceId, workspaces.id), eq(members.id, first.creatorId)))
    .innerJoin(workflows, and(eq(workflows.workspaceId, workspaces.id), inArray(workflows.label, labels)))
    .where(eq(workspaces.id, first.workspaceId));
  const policy = found[0]?.policy;
  if (!policy) return [];
  const surroundings = new Map(found.map((row) => [row.label, row]));
  const refusals = issued.map((one) => {
    const around = surroundings.get(one.workflow);
    return around && faultRefusal({ createdAt: now, ...one, ...around, workflowLabel: one.workflow }, policy);
  });
  const most = policy.maxTokensPerWorkflow;
  if (!isAdded || most === undefined || refusals.some((refusal) => refusal !== undefined)) return refusals;
  const taken = await tokensOf(tx, first.workspaceId, labels, now);
  return issued.map(({ workflow }) => {
    const count = taken.get(workflow);
    if (count === undefined) return undefined;
    taken.set(workflow, count + 1);
    return count < most ? undefined : crowded(most);
  });
}

function faultRefusal(token: PolicedToken, policy: WorkspacePolicy): Refusal | undefined {
  const faults = policyFaults(token, policy);
  const minter = faults.find(({ rule }) => rule === 'minters');
  if (minter) return { kind: 'not_allowed', detail: minter.detail };
  if (faults.length === 0) return undefined;
  return { kind: 'invalid', errors: faults.map(({ path, detail }) => ({ pointer: pointerTo(path), detail })) };
}

function crowded(most: number): Refusal {
  const detail = `the workflow has as many tokens as the workspace's policy allows: ${most}`;
  return { kind: 'invalid', errors: [{ pointer: pointerTo(['workflow']), detail }] };
}

/** What {@link policyRefusal} says, in one line, for who sent no such request. */
export function plainly(refusal: Refusal): string {
  if (refusal.kind === 'invalid') return refusal.errors.map(({ detail }) => detail).join('; ');
  return refusal.kind === 'not_allowed' ? refusal.detail : "the workspace's policy does not let it be issued";
}

/** How many tokens workflows have, each held to the end of the transaction: one counts at a time. A token counts once,
 *  together with those that it was rotated from and to. */
async function tokensOf(
  tx: Tx,
  workspaceId: WorkspaceId,
  labels: readonly string[],
  now: Date,
): Promise<Map<string, number>> {
  const held = await tx
    .select({ label: workflows.label })
    .from(workflows)
    .where(and(eq(workflows.workspaceId, workspaceId), inArray(workflows.label, [...labels])))
    .orderBy(workflows.label)
    .for('no key update');
  const isLive = and(isPoliced(workspaceId, now), inArray(tokens.workflow, [...labels]), ...lives(now));
  const rows = await tx
    .select({ label: tokens.workflow, lines: sql<string>`count(distinct ${tokens.lineageId})` })
    .from(tokens)
    .leftJoin(successors, isSuccessor)
    .where(isLive)
    .groupBy(tokens.workflow);
  const counted = new Map(rows.map(({ label, lines }) => [label, Number(lines)]));
  return new Map(held.map(({ label }) => [label, counted.get(label) ?? 0]));
}
