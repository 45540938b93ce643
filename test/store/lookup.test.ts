import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, parseToken, type TokenId } from '../../src/rules/format.js';
import { tokenStatus } from '../../src/rules/token.js';
import { createLookup, type Lookup } from '../../src/store/lookup.js';
import { findToken } from '../../src/store/tokens.js';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';

let service: TestService;
let lookup: Lookup;
beforeAll(async () => {
  service = await createTestService();
  lookup = createLookup(service.database.options, () => undefined);
});
afterAll(async () => {
  await lookup.close();
  await service.close();
});

function idOf(printed: string): TokenId {
  const id = parseToken(printed)?.id;
  if (id === undefined) throw new Error('not a token');
  return id;
}

describe('the read behind every decision', () => {
  it('gives each who asks its own token, also when many ask at once, for the same and for nothing', async () => {
    const seeded = await Promise.all([1, 2, 3].map(() => service.seedToken()));
    const ids = seeded.map(({ token }) => idOf(token));
    const nobody = newId('tok', service.clock.now());
    const asked = Array.from({ length: 600 }, (_, at) => ids[at % 4] ?? nobody);
    const found = await Promise.all(asked.map((id) => lookup.find(id)));
    expect(found.map((token) => token?.facts.id ?? nobody)).toEqual(asked);
    expect(lookup.length()).toBe(0);
  });

  it('tells the same state as the view that is shown', async () => {
    await service.makeWorkflow('halted');
    const [active, rotating, revoked, superseded] = await Promise.all([1, 2, 3, 4].map(() => service.seedToken()));
    const halted = await service.seedToken({ workflow: 'halted' });
    await service.client().tokens.rotate(rotating?.id ?? '');
    await service.client().tokens.revoke(revoked?.id ?? '', { reason: 'other' });
    await service.client().tokens.rotate(superseded?.id ?? '', { overlap_seconds: 0 });
    await service.client().workflows.pause('halted');
    const now = service.clock.now();
    const states = await Promise.all(
      [active, rotating, revoked, superseded, halted].map(async (seeded) => {
        const id = idOf(seeded?.token ?? '');
        const view = await findToken(service.db.db, service.owner.workspace.id, id, now);
        const stored = await lookup.find(id);
        return [view?.status, stored && tokenStatus(stored.facts, now)];
      }),
    );
    expect(states).toEqual([
      ['active', 'active'],
      ['rotating', 'rotating'],
      ['revoked', 'revoked'],
      ['superseded', 'superseded'],
      ['suspended', 'suspended'],
    ]);
  });

  it('never tells a state from before a commit that was confirmed when it was asked', async () => {
    const keys = await makeKeys();
    const one = await createTestService({ keys });
    const two = await createTestService({ keys, database: one.database });
    try {
      const targets = await Promise.all(Array.from({ length: 10 }, () => one.seedToken()));
      const other = two.client(one.owner.printed);
      let isOver = false;
      const noise = [one.client(), other].flatMap((client) =>
        Array.from({ length: 3 }, async () => {
          for (let at = 0; !isOver; at += 1) await client.introspect(targets[at % targets.length]?.token ?? '');
        }),
      );
      for (const [at, { id, token }] of targets.entries()) {
        const client = at % 2 === 0 ? one.client() : other;
        await client.tokens.revoke(id, { reason: 'leaked' });
        const after = await Promise.all(
          [one.client(), other, one.client(), other].map((each) => each.introspect(token)),
        );
        expect(after).toEqual(after.map(() => ({ active: false })));
      }
      isOver = true;
      await Promise.all(noise);
    } finally {
      await two.close();
      await one.close();
    }
  });
});
