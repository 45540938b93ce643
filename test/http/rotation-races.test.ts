import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProblemError } from '../../src/sdk/index.js';
import type { MintedToken } from '../../src/wire/resources.js';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';
import { halvesOf, raw } from './raw.js';

/** Two nodes on one database, in real time, for a race is about it. */
let service: TestService;
let other: TestService;
beforeAll(async () => {
  const keys = await makeKeys();
  service = await createTestService({ keys });
  other = await createTestService({ keys, database: service.database });
  service.clock.now = () => new Date();
  other.clock.now = () => new Date();
});
afterAll(async () => {
  await other.close();
  await service.close();
});

const isActive = async (token: string) => (await service.client().introspect(token)).active;

describe('rotations at the same moment', () => {
  const outcome = async (rotation: Promise<MintedToken>) => {
    try {
      return await rotation;
    } catch (error) {
      if (error instanceof ProblemError && error.status === 409) return undefined;
      throw error;
    }
  };

  it('one wins; the others get 409 or the same successor, never a second one, and what the winner got works', async () => {
    for (let round = 0; round < 8; round += 1) {
      const first = await service.seedToken();
      const nodes = [service, other, service, other, service, other];
      const outcomes = await Promise.all(
        nodes.map((node) => outcome(node.client(service.owner.printed).tokens.rotate(first.id))),
      );
      const won = outcomes.filter((one) => one !== undefined);
      expect(won.length).toBeGreaterThanOrEqual(1);
      expect(new Set(won.map((one) => one.id)).size).toBe(1);
      const { data } = await service.client().tokens.list({ limit: 200 });
      expect(data.filter((token) => token.lineage_id === first.id)).toHaveLength(2);
      const alive = await Promise.all(won.map((one) => isActive(one.token)));
      expect(alive.filter(Boolean)).toHaveLength(1);
      if (won.length === 1) expect(alive).toEqual([true]);
    }
  });

  it('with a first use of the successor: it is never left without a working secret', async () => {
    for (let round = 0; round < 10; round += 1) {
      const first = await service.seedToken();
      const next = await service.client().tokens.rotate(first.id);
      const [used, again] = await Promise.all([
        other.client(service.owner.printed).introspect(next.token),
        outcome(service.client().tokens.rotate(first.id)),
      ]);
      // Either the use came first and the secret stays, or the replacement did and the old one is dead.
      expect(await isActive(next.token)).toBe(again === undefined);
      if (again !== undefined) expect([used.active, await isActive(again.token)]).toEqual([false, true]);
    }
  });

  it('with a revocation of the lineage, the workflow or the workspace: nothing of the lineage is left active', async () => {
    const admin = { token: service.owner.printed };
    for (let round = 0; round < 50; round += 1) {
      const first = await service.seedToken({ scopes: ['tokens:rotate'] });
      const selector = round % 2 === 0 ? ({ lineage_id: first.id } as const) : ({ workflow: 'nightly' } as const);
      const [one, two] = await Promise.all([
        raw(service, 'POST', '/v1/tokens/self/rotate', { token: first.token, json: {} }),
        raw(other, 'POST', `/v1/tokens/${first.id}/rotate`, { ...admin, json: {} }),
        raw(round % 3 === 0 ? service : other, 'POST', '/v1/revocations', {
          ...admin,
          json: { reason: 'leaked', ...selector },
        }),
      ]);
      for (const made of [one, two].filter((answer) => answer.status === 201)) {
        expect(await isActive(made.json.token)).toBe(false);
      }
      expect(await isActive(first.token)).toBe(false);
      const left = await service.db.sql`
        select id from tokens where revoked_at is null and lineage_id = ${halvesOf(first.token).id}`;
      expect(left).toEqual([]);
    }
  });

  it('with a revocation of the whole workspace: not a token is left', async () => {
    for (let round = 0; round < 5; round += 1) {
      const own = await createTestService({ database: service.database });
      try {
        own.clock.now = () => new Date();
        const first = await own.seedToken({ scopes: ['tokens:rotate', 'tokens:mint'] });
        await Promise.all([
          raw(own, 'POST', '/v1/tokens/self/rotate', { token: first.token, json: {} }),
          raw(own, 'POST', '/v1/tokens/self/rotate', { json: {} }),
          raw(own, 'POST', '/v1/tokens', {
            token: first.token,
            json: { workflow: 'nightly', scopes: ['tokens:mint'], expires_in_days: 7 },
          }),
          raw(own, 'POST', '/v1/revocations', { json: { reason: 'leaked', workspace: true } }),
        ]);
        const left = await own.db.sql`
          select id from tokens where revoked_at is null and workspace_id = ${own.owner.workspace.id}`;
        expect(left).toEqual([]);
      } finally {
        await own.close();
      }
    }
  });
});

describe('issuing at the same moment as an end', () => {
  const left = async (creator: string) => {
    const { data } = await service.client().tokens.list({ creator, limit: 200 });
    return data.filter((token) => token.revoked_at === null);
  };

  it("a mint with its maker's removal: nothing of that maker is left", async () => {
    await service.makeWorkflow('nightly');
    for (let round = 0; round < 15; round += 1) {
      const maker = await service.makeMember('member');
      const json = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 };
      const mints = [service, other].map((node) => raw(node, 'POST', '/v1/tokens', { token: maker.token, json }));
      await Promise.all([...mints, service.client().members.remove(maker.id)]);
      expect(await left(maker.id)).toEqual([]);
    }
  });

  it("a mint with the revocation of the calling token's maker: nothing is left", async () => {
    for (let round = 0; round < 15; round += 1) {
      const maker = await service.makeMember('member');
      const json = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 };
      await Promise.all([
        raw(other, 'POST', '/v1/tokens', { token: maker.token, json }),
        raw(other, 'POST', '/v1/tokens/self/rotate', { token: maker.token, json: {} }),
        service.client().tokens.revokeMany({ reason: 'leaked', creator_id: maker.id }),
      ]);
      expect(await left(maker.id)).toEqual([]);
    }
  });

  it('an acceptance with the revocation of its invitation: no token comes of it afterwards', async () => {
    for (let round = 0; round < 15; round += 1) {
      const email = `guest-${round}@acme.example`;
      const { id, invitation } = await service.client().members.invite({ email, role: 'member' });
      const [accepted] = await Promise.all([
        raw(other, 'POST', '/v1/members/accept', { token: invitation }),
        service.client().tokens.revokeMany({ reason: 'leaked', creator_id: id }),
      ]);
      // Accepted before it: then the token was revoked with the rest. After it: then there is none.
      expect([accepted.status === 201 || accepted.status === 401, await left(id)]).toEqual([true, []]);
    }
  });
});
