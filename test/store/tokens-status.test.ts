import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MemberId, newId, printId, type RunnerId, type TokenId } from '../../src/rules/format.js';
import { RUNNER_STATUSES, type RunnerStatus } from '../../src/rules/runner.js';
import { type MemberStatus, TOKEN_STATUSES, type TokenStatus } from '../../src/rules/token.js';
import { members, runners, tokens, workflows, workspaces } from '../../src/store/schema.js';
import { listTokens, type TokenView } from '../../src/store/tokens.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeEach(async () => {
  service = await createTestService();
});
afterEach(() => service.close());

const NOW = new Date('2026-03-01T12:00:00Z');
const instant = fc.integer({ min: -4, max: 4 }).map((half) => new Date(NOW.getTime() + half * 500));
const rarely = fc.integer({ min: 0, max: 4 }).map((draw) => draw === 0);

/** All that a status hangs on, in steps of half a second around one instant, so that every bound is met. */
const anyRow = fc.record({
  isRevoked: rarely,
  isFrozen: rarely,
  expiresAt: fc.oneof(instant, fc.constant(new Date(NOW.getTime() + 60_000))),
  notBefore: fc.option(instant, { nil: null }),
  isPaused: rarely,
  isBeyondPolicy: rarely,
  runner: fc.constantFrom<RunnerStatus | null>(null, null, null, ...RUNNER_STATUSES),
  creator: fc.constantFrom<MemberStatus>('active', 'active', 'active', 'suspended', 'removed'),
  succession: fc.option(
    fc.record({ overlapEndsAt: instant, drainSeconds: fc.nat(2), firstUsedAt: fc.option(instant, { nil: null }) }),
    { nil: null },
  ),
});
type Row = typeof anyRow extends fc.Arbitrary<infer T> ? T : never;

describe('the status by which a list is narrowed', () => {
  it.each([false, true])('is the one that is shown, for every combination of what it hangs on', async (isBlocking) => {
    const { db } = service.db;
    const workspaceId = service.owner.workspace.id;
    await service.makeWorkflow('running');
    await service.makeWorkflow('paused');
    await db.update(workflows).set({ pausedAt: NOW }).where(eq(workflows.label, 'paused'));
    const creators = new Map<MemberStatus, MemberId>();
    for (const status of ['active', 'suspended', 'removed'] as const) {
      const id = newId('mem', NOW);
      creators.set(status, id);
      await db
        .insert(members)
        .values({ workspaceId, id, email: `${status}@acme.example`, role: 'member', status, createdAt: NOW });
    }
    const runnerIds = new Map<RunnerStatus, RunnerId>();
    for (const status of RUNNER_STATUSES) {
      const id = newId('rnr', NOW);
      runnerIds.set(status, id);
      const by = { createdAt: NOW, createdBy: service.owner.member.id };
      await db.insert(runners).values({ workspaceId, id, name: status, labels: [], jkt: status, status, ...by });
    }
    const valuesOf = (row: Row, id: TokenId, successor: TokenId | null) => ({
      workspaceId,
      id,
      kind: row.runner === null ? ('access' as const) : ('runner' as const),
      runnerId: row.runner && (runnerIds.get(row.runner) ?? null),
      workflow: row.isPaused ? 'paused' : 'running',
      creatorId: creators.get(row.creator) ?? service.owner.member.id,
      ownerId: service.owner.member.id,
      scopes: [row.isBeyondPolicy ? 'codex:exec' : 'repo:read'],
      constraints: {},
      createdAt: NOW,
      notBefore: row.notBefore,
      expiresAt: row.expiresAt,
      expiresInDays: 7,
      lineageId: id,
      rotatedTo: successor,
      overlapEndsAt: row.succession?.overlapEndsAt ?? null,
      drainSeconds: row.succession?.drainSeconds ?? null,
      // A removal revokes: no token of a removed member or runner is without the mark.
      revokedAt: row.isRevoked || row.creator === 'removed' || row.runner === 'removed' ? NOW : null,
      frozenAt: row.isFrozen ? NOW : null,
      digest: Buffer.alloc(32),
      pepperKid: 'none',
      secretSetAt: NOW,
    });
    const rows = fc.sample(anyRow, { numRuns: 600, seed: 20260301 });
    const drafts = rows.flatMap((row) => {
      const id = newId('tok', NOW);
      if (row.succession === null) return [valuesOf(row, id, null)];
      const successorId = newId('tok', NOW);
      const successor = valuesOf({ ...row, succession: null }, successorId, null);
      // Not listed itself: what is generated is what is counted.
      const hidden = { ...successor, kind: 'invitation' as const, firstUsedAt: row.succession.firstUsedAt };
      return [hidden, valuesOf(row, id, successorId)];
    });
    await db.insert(tokens).values(drafts);
    const apart = await listTokens(db, workspaceId, { limit: 10_000 }, NOW);
    await db
      .update(workspaces)
      .set({ policy: { enforcement: isBlocking ? 'block' : 'report', allowedScopes: ['repo:*'] } })
      .where(eq(workspaces.id, workspaceId));
    const { views: all } = await listTokens(db, workspaceId, { limit: 10_000 }, NOW);
    expect(all.map((view) => view.statusApartFromPolicy)).toEqual(apart.views.map((view) => view.status));
    expect(all.some(({ status }, at) => status !== apart.views[at]?.status)).toBe(isBlocking);
    const seen = new Set<TokenId>();
    for (const status of TOKEN_STATUSES) {
      const { views: narrowed } = await listTokens(db, workspaceId, { limit: 10_000, status }, NOW);
      expect(idsOf(narrowed)).toEqual(idsOf(all.filter((view) => view.status === status)));
      for (const { token } of narrowed) seen.add(token.id);
      expect(narrowed.length, `no row is ${status}`).toBeGreaterThan(0);
    }
    expect(seen.size).toBe(all.length);
    expect(all.length).toBe(rows.length + 1);
    const shown = new Set<TokenStatus>(all.map((view) => view.status));
    expect(shown).toEqual(new Set(TOKEN_STATUSES));
  });
});

function idsOf(views: readonly TokenView[]): string[] {
  return views.map((view) => printId('tok', view.token.id));
}
