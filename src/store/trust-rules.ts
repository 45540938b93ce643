import { and, asc, count, eq, gt, sql } from 'drizzle-orm';
import { canonicalJson } from '../rules/audit.js';
import { type MemberId, newId, printId, type WorkspaceId } from '../rules/format.js';
import type { Grantor } from '../rules/grant.js';
import { accept, invalid, type Result, refuse } from '../rules/refusal.js';
import type { Role } from '../rules/role.js';
import { decideRule, type TrustFacts } from '../rules/trust-exchange.js';
import { MAX_TRUST_RULES, TRUST_PRESETS, type TrustRule, type TrustRuleTerms } from '../rules/trust-rule.js';
import { lockForAct } from './authority.js';
import { type Db, inTransaction, type Tx } from './database.js';
import { type AuditAction, type Origin, recordEvents } from './events.js';
import { isOfUse } from './of-use.js';
import { revokeWhere } from './revocations.js';
import { members, tokens, trustRules, workflows, workspaces } from './schema.js';
import type { Issuer } from './workspace-lock.js';

const COLUMNS = {
  rule: trustRules,
  workspace: { slug: workspaces.slug, suspendedAt: workspaces.suspendedAt, policy: workspaces.policy },
  workflow: {
    allowedScopes: workflows.allowedScopes,
    constraints: workflows.constraints,
    pausedAt: workflows.pausedAt,
  },
  setter: { id: members.id, email: members.email, name: members.name, role: members.role, status: members.status },
};

/** A rule, what decides about it, and the person who set it. */
export interface TrustRuleView extends TrustFacts {
  readonly setter: TrustFacts['setter'] & {
    readonly id: MemberId;
    readonly email: string;
    readonly name: string | null;
  };
}

/** Who changes a rule, and when. */
export interface TrustRuleChange {
  readonly workspaceId: WorkspaceId;
  readonly name: string;
  readonly memberId: MemberId;
  readonly caller: Issuer;
  readonly grantor: Grantor;
  readonly origin: Origin;
  readonly now: Date;
}

/** One rule, by its name. */
export async function findTrustRule(
  db: Db | Tx,
  workspaceId: WorkspaceId,
  name: string,
): Promise<TrustRuleView | undefined> {
  const [row] = await viewQuery(db).where(nameIs(workspaceId, name));
  return row && view(row);
}

/** Rules in the order of their names, by code point. `after` is exclusive. */
export async function listTrustRules(
  db: Db,
  workspaceId: WorkspaceId,
  query: { readonly limit: number; readonly after: string | undefined },
): Promise<TrustRuleView[]> {
  const after = query.after === undefined ? undefined : gt(byCodePoint, query.after);
  const rows = await viewQuery(db)
    .where(and(eq(trustRules.workspaceId, workspaceId), after))
    .orderBy(asc(byCodePoint))
    .limit(query.limit);
  return rows.map(view);
}

/** The rules that a token of an issuer for an audience may meet, of every workspace or of the one that is named, by
 *  workspace and name. */
export async function rulesFor(
  db: Db | Tx,
  token: { readonly issuer: string; readonly audience: string },
  named: { readonly workspaceSlug: string; readonly name: string } | undefined,
): Promise<TrustRuleView[]> {
  // Whoever asks has shown nothing yet, and PostgreSQL takes no such text: no rule says it.
  if (`${token.issuer}${token.audience}`.includes('\u0000')) return [];
  const isNamed = named && and(eq(workspaces.slug, named.workspaceSlug), eq(trustRules.name, named.name));
  const rows = await viewQuery(db)
    .where(and(eq(trustRules.issuer, token.issuer), eq(trustRules.audience, token.audience), isNamed))
    .orderBy(asc(trustRules.workspaceId), asc(byCodePoint));
  return rows.map(view);
}

/** Makes a rule or replaces it. The same rule set again by the same person changes nothing; any change revokes the tokens
 *  that the rule before gave. Refuses what the workflow does not allow and what is not the setter's to hand on. */
export function putTrustRule(
  db: Db,
  terms: TrustRuleTerms,
  change: TrustRuleChange,
): Promise<Result<{ readonly isNew: boolean; readonly view: TrustRuleView }>> {
  const { workspaceId, name, grantor, memberId, now } = change;
  return changeTrustRules(db, change, async (tx, role) => {
    const [workflow] = await tx
      .select({ allowedScopes: workflows.allowedScopes, constraints: workflows.constraints })
      .from(workflows)
      .where(and(eq(workflows.workspaceId, workspaceId), eq(workflows.label, terms.workflow)))
      .for('share');
    if (workflow === undefined) return invalid(['workflow'], 'is not a workflow of this workspace');
    const decided = decideRule({ ...grantor, role }, workflow, terms);
    if (!decided.ok) return decided;
    const row = stored({ ...terms, constraints: decided.value });
    const before = await findTrustRule(tx, workspaceId, name);
    if (before === undefined) {
      if ((await countRules(tx, workspaceId)) >= MAX_TRUST_RULES) {
        return invalid(['name'], `the workspace has ${MAX_TRUST_RULES} trust rules, the most there may be`);
      }
      const values = { workspaceId, name, ...row, createdBy: memberId, createdAt: now, updatedAt: now };
      await tx.insert(trustRules).values({ id: newId('trl', now), ...values });
    } else {
      const isSame = canonicalJson(stored(before.rule)) === canonicalJson(row) && before.rule.createdBy === memberId;
      if (isSame) return accept({ isNew: false, view: before });
      const set = { ...row, createdBy: memberId, updatedAt: now };
      await tx.update(trustRules).set(set).where(nameIs(workspaceId, name));
    }
    const after = await findTrustRule(tx, workspaceId, name);
    if (after === undefined) throw new Error('a trust rule went away');
    await revokeGiven(tx, after.rule, change, 'its trust rule was changed');
    await record(tx, 'trust_rule.set', after.rule, change, shown(after.rule));
    return accept({ isNew: before === undefined, view: after });
  });
}

/** Removes a rule and revokes the tokens that it gave. Refuses `not_found`. */
export function removeTrustRule(db: Db, change: TrustRuleChange): Promise<Result<undefined>> {
  return changeTrustRules(db, change, async (tx) => {
    const found = await findTrustRule(tx, change.workspaceId, change.name);
    if (found === undefined) return refuse({ kind: 'not_found' });
    await tx.delete(trustRules).where(nameIs(change.workspaceId, change.name));
    await revokeGiven(tx, found.rule, change, 'its trust rule was removed');
    await record(tx, 'trust_rule.removed', found.rule, change, { name: change.name });
    return accept(undefined);
  });
}

/** Locks the workspace first, so that no token is given by a rule past its end. Whose token was revoked, or who was
 *  demoted, since the request arrived changes nothing any more. */
function changeTrustRules<T>(
  db: Db,
  { caller }: TrustRuleChange,
  act: (tx: Tx, role: Role) => Promise<Result<T>>,
): Promise<Result<T>> {
  return inTransaction(db, async (tx) => {
    const role = await lockForAct(tx, caller, 'end', 'workflows:write');
    return role.ok ? act(tx, role.value) : role;
  });
}

/** Revokes what a rule gave, as far as anything can still be done with it. */
async function revokeGiven(tx: Tx, rule: TrustRule, { origin, now }: TrustRuleChange, note: string): Promise<void> {
  const given = and(eq(tokens.trustRuleId, rule.id), isOfUse(now));
  await revokeWhere(tx, rule.workspaceId, given, { reason: 'other', note, origin }, now);
}

function record(
  tx: Tx,
  action: AuditAction,
  rule: TrustRule,
  { origin, now }: TrustRuleChange,
  data: Record<string, unknown>,
): Promise<void> {
  return recordEvents(tx, rule.workspaceId, origin, [{ action, target: printId('trl', rule.id), data }], now);
}

async function countRules(tx: Tx, workspaceId: WorkspaceId): Promise<number> {
  const [row] = await tx.select({ count: count() }).from(trustRules).where(eq(trustRules.workspaceId, workspaceId));
  return row?.count ?? 0;
}

function viewQuery(db: Db | Tx) {
  return db
    .select(COLUMNS)
    .from(trustRules)
    .innerJoin(workspaces, eq(workspaces.id, trustRules.workspaceId))
    .innerJoin(
      workflows,
      and(eq(workflows.workspaceId, trustRules.workspaceId), eq(workflows.label, trustRules.workflow)),
    )
    .innerJoin(members, and(eq(members.workspaceId, trustRules.workspaceId), eq(members.id, trustRules.createdBy)))
    .$dynamic();
}

type Row = Awaited<ReturnType<typeof viewQuery>>[number];

function view({ rule, workspace, workflow, setter }: Row): TrustRuleView {
  const preset = TRUST_PRESETS.find((one) => one === rule.preset);
  return {
    rule: { ...rule, preset, jwks: rule.jwks ?? undefined },
    workspaceSlug: workspace.slug,
    isWorkspaceSuspended: workspace.suspendedAt !== null,
    workspacePolicy: workspace.policy ?? undefined,
    isWorkflowPaused: workflow.pausedAt !== null,
    policy: workflow,
    setter,
  };
}

/** The terms as columns. */
function stored(terms: TrustRuleTerms) {
  return {
    preset: terms.preset ?? null,
    issuer: terms.issuer,
    audience: terms.audience,
    claims: terms.claims,
    jwks: terms.jwks ?? null,
    workflow: terms.workflow,
    scopes: [...terms.scopes],
    constraints: terms.constraints,
    expiresInSeconds: terms.expiresInSeconds,
  };
}

/** A rule in the wire's words, as the audit trail keeps it; of its keys only their names. */
function shown(rule: TrustRule): Record<string, unknown> {
  return {
    name: rule.name,
    preset: rule.preset ?? null,
    issuer: rule.issuer,
    audience: rule.audience,
    claims: rule.claims,
    workflow: rule.workflow,
    scopes: rule.scopes,
    constraints: rule.constraints,
    expires_in_seconds: rule.expiresInSeconds,
    ...(rule.jwks === undefined ? {} : { key_ids: rule.jwks.keys.map(({ kid }) => kid) }),
  };
}

const byCodePoint = sql<string>`${trustRules.name} collate "C"`;

function nameIs(workspaceId: WorkspaceId, name: string) {
  return and(eq(trustRules.workspaceId, workspaceId), eq(trustRules.name, name));
}
