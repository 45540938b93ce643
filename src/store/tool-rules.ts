import { and, eq } from 'drizzle-orm';
import { canonicalJson } from '../rules/audit.js';
import { printId, type WorkspaceId } from '../rules/format.js';
import { type Grantor, ruleFault } from '../rules/grant.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { NO_TOOL_RULES, type ToolRules } from '../rules/tool-rule.js';
import { type Actor, lockAsDecided } from './authority.js';
import { type Db, inTransaction } from './database.js';
import { type Origin, recordEvents } from './events.js';
import { workflows } from './schema.js';

/** The tool rules of a workflow, by its label: {@link NO_TOOL_RULES} where nobody set any, `undefined` where there is no
 *  such workflow. */
export async function findToolRules(db: Db, workspaceId: WorkspaceId, label: string): Promise<ToolRules | undefined> {
  const [row] = await db.select({ rules: workflows.toolRules }).from(workflows).where(labelIs(workspaceId, label));
  return row && (row.rules ?? NO_TOOL_RULES);
}

/** Replaces the tool rules of a workflow. The same rules again change nothing. The event has the new ones in full: what was
 *  in force at any time can be read from the trail. Refuses `not_found`, and `not_allowed` where the workflow reaches further
 *  than the grantor. */
export function setToolRules(
  db: Db,
  label: string,
  rules: ToolRules,
  by: { readonly actor: Actor; readonly grantor: Grantor; readonly origin: Origin },
  now: Date,
): Promise<Result<ToolRules>> {
  const { workspaceId } = by.actor;
  return inTransaction(db, async (tx) => {
    const allowed = await lockAsDecided(tx, by.actor, 'issue');
    if (!allowed.ok) return allowed;
    const [found] = await tx
      .select({ id: workflows.id, constraints: workflows.constraints, rules: workflows.toolRules })
      .from(workflows)
      .where(labelIs(workspaceId, label))
      .for('update');
    if (found === undefined) return refuse({ kind: 'not_found' });
    const detail = ruleFault(by.grantor, found.constraints);
    if (detail !== undefined) return refuse({ kind: 'not_allowed', detail });
    if (canonicalJson(found.rules ?? NO_TOOL_RULES) === canonicalJson(rules)) return accept(rules);
    await tx.update(workflows).set({ toolRules: rules, updatedAt: now }).where(labelIs(workspaceId, label));
    const event = {
      action: 'workflow.tool_rules_set',
      target: printId('wfl', found.id),
      data: { label, ...rules },
    } as const;
    await recordEvents(tx, workspaceId, by.origin, [event], now);
    return accept(rules);
  });
}

function labelIs(workspaceId: WorkspaceId, label: string) {
  return and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, label));
}
