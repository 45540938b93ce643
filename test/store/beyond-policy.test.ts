import { eq } from 'drizzle-orm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, type TokenId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { policyFaults, type WorkspacePolicy } from '../../src/rules/workspace-policy.js';
import { findBeyondPolicy } from '../../src/store/beyond-policy.js';
import { tokens, workflows } from '../../src/store/schema.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const NOW = new Date('2026-03-01T12:00:00Z');

const anyRow = fc.record({
  workflow: fc.constantFrom('wide', 'narrow', 'countersign'),
  kind: fc.constantFrom('access', 'access', 'access', 'invitation', 'runner'),
  scopes: fc.constantFrom(['repo:read'], ['codex:exec'], ['repo:read', 'codex:exec']),
  constraints: fc.constantFrom({}, { repositories: ['acme/shop'] }, { repositories: ['evil/shop'] }),
  days: fc.constantFrom(1, 7, 30),
  age: fc.nat(40),
  isRevoked: fc.constantFrom(false, false, false, true),
  isSuperseded: fc.constantFrom(false, false, false, true),
} as const);

const POLICIES: readonly WorkspacePolicy[] = [
  { enforcement: 'report' },
  { enforcement: 'report', longestExpiryDays: 7 },
  { enforcement: 'report', allowedScopes: ['repo:*'] },
  { enforcement: 'block', requiredConstraints: ['repositories'] },
  { enforcement: 'block', allowedRepositories: ['acme/*'], longestExpiryDays: 6 },
  { enforcement: 'block', minters: ['admin'], maxTokensPerWorkflow: 3 },
];

describe('the search for what does not comply', () => {
  it('finds each token that has not ended and that the rules find at fault, however many rows it reads at once', async () => {
    const { db } = service.db;
    const workspaceId = service.owner.workspace.id;
    const creatorId = service.owner.member.id;
    await service.makeWorkflow('wide');
    await service.makeWorkflow('narrow', { allowed_scopes: ['repo:*'], constraints: { repositories: ['acme/*'] } });
    await db.delete(tokens).where(eq(tokens.workspaceId, workspaceId));
    const rows = fc.sample(anyRow, { numRuns: 300, seed: 20260301 }).map((row) => {
      const createdAt = addDays(NOW, -row.age);
      const id = newId('tok', createdAt);
      return { ...row, id, createdAt, expiresAt: addDays(createdAt, row.days) };
    });
    await db.insert(tokens).values(
      rows.map(({ days, age: _, isRevoked, isSuperseded, scopes, ...row }) => ({
        ...row,
        workspaceId,
        creatorId,
        ownerId: creatorId,
        scopes: [...scopes],
        expiresInDays: days,
        lineageId: row.id,
        rotatedTo: isSuperseded ? newId('tok', NOW) : null,
        overlapEndsAt: isSuperseded ? NOW : null,
        revokedAt: isRevoked ? NOW : null,
        digest: Buffer.alloc(32),
        pepperKid: 'none',
        secretSetAt: NOW,
      })),
    );
    const constraintsOf = new Map((await db.select().from(workflows)).map((row) => [row.label, row.constraints]));
    for (const policy of POLICIES) {
      const wanted = rows.filter((row) => {
        const hasEnded = row.isRevoked || row.isSuperseded || row.expiresAt <= NOW;
        const workflowConstraints = constraintsOf.get(row.workflow) ?? {};
        const policed = { ...row, workflowLabel: row.workflow, workflowConstraints, creatorRole: 'owner' } as const;
        return !hasEnded && policyFaults(policed, policy).length > 0;
      });
      const ids = wanted.map(({ id }): TokenId => id).sort();
      for (const rowsAtOnce of [40, 20_000]) {
        const found = await findBeyondPolicy(db, workspaceId, policy, NOW, rowsAtOnce);
        expect(found.first.map(({ token }) => token.id)).toEqual(ids);
        expect(found.count).toBe(ids.length);
        expect(found.first.every(({ faults }) => faults.length > 0)).toBe(true);
        expect(found.crowded.map(({ workflow }) => workflow)).toEqual(
          policy.maxTokensPerWorkflow === undefined ? [] : ['narrow', 'wide'],
        );
      }
    }
  });
});
