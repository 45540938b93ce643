import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ProblemError } from '../../src/sdk/index.js';
import { endLapsedOffers } from '../../src/store/lapsed-offers.js';
import type { Leaver } from '../../src/wire/resources.js';
import { type Leaving, type Person, peopleOf } from '../setup/leaving.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let people: Leaving;
let successor: Person;
/** A token of the successor that outlives every wait. */
let successorToken: string;
beforeAll(async () => {
  service = await createTestService();
  people = await peopleOf(service);
  successor = await people.makePerson();
  await people.client.workflows.put('successor', { allowed_expiry_days: [366] });
  const own = { workflow: 'successor', scopes: ['tokens:mint', 'tokens:read'], expires_in_days: 366 };
  successorToken = (await service.client(successor.signIn).tokens.mint(own)).token;
  for (const rule of RULES)
    await people.client.workflows.put(rule, { allowed_scopes: ['repo:*'], leaver: leaverOf(rule) });
});
afterAll(() => service.close());

const RULES = ['none', 'freeze', 'revoke', 'transfer'] as const;
type Rule = (typeof RULES)[number];

function leaverOf(rule: Rule): Leaver | null {
  if (rule === 'none') return null;
  return rule === 'transfer' ? { rule, successor_id: successor.id, window_days: 1 } : { rule };
}

const ACTS = [
  'suspend',
  'leave',
  'reactivate',
  'remove',
  'reinvite',
  'hand over',
  'unfreeze',
  'take over',
  'wait',
] as const;
type Act = (typeof ACTS)[number];

/** A token as it should be: what a person may see of it, and nothing of how the service keeps it. */
interface Expected {
  readonly rule: Rule;
  readonly id: string;
  readonly token: string;
  isRevoked: boolean;
  isFrozen: boolean;
  isOffered: boolean;
}

interface World {
  readonly person: Person;
  readonly tokens: readonly Expected[];
  /** What was minted in the place of others. */
  readonly taken: string[];
  status: 'active' | 'suspended' | 'removed';
  isReinvited: boolean;
}

test('nothing is good again by itself, whatever happens to a person', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...ACTS), { minLength: 2, maxLength: 8 }), async (acts) => {
      const world = await makeWorld();
      for (const act of acts) {
        await ACTING[act](world);
        for (const expected of world.tokens) {
          const isGood = world.status === 'active' && !expected.isFrozen && !expected.isRevoked;
          expect([act, expected.rule, await people.isActive(expected.token)]).toEqual([act, expected.rule, isGood]);
        }
        for (const token of world.taken) expect([act, await people.isActive(token)]).toEqual([act, true]);
      }
    }),
    { numRuns: 8 },
  );
});

async function makeWorld(): Promise<World> {
  const person = await people.makePerson();
  const tokens: Expected[] = [];
  for (const rule of RULES) {
    const { id, token } = await people.mint(person, rule);
    tokens.push({ rule, id, token, isRevoked: false, isFrozen: false, isOffered: false });
  }
  return { person, tokens, taken: [], status: 'active', isReinvited: false };
}

const ACTING: Readonly<Record<Act, (world: World) => Promise<void>>> = {
  suspend: async (world) => {
    if (world.status === 'removed') return refused(people.client.members.suspend(world.person.id));
    await people.client.members.suspend(world.person.id);
    if (world.status === 'active') for (const token of world.tokens) goes(token, token.rule !== 'none');
    world.status = 'suspended';
  },
  leave: async (world) => {
    if (world.status === 'removed') return;
    await people.go(world.person, 'left');
    for (const token of world.tokens) goes(token, true);
    world.status = 'suspended';
  },
  reactivate: async (world) => {
    if (world.status === 'removed') return refused(people.client.members.reactivate(world.person.id));
    await people.client.members.reactivate(world.person.id);
    world.status = 'active';
  },
  remove: async (world) => {
    if (world.status === 'removed') return refused(people.client.members.remove(world.person.id));
    await people.client.members.remove(world.person.id);
    for (const token of world.tokens) {
      if (token.isRevoked) continue;
      token.isOffered ||= token.rule === 'transfer';
      token.isRevoked = true;
    }
    world.status = 'removed';
  },
  reinvite: async (world) => {
    const invite = { email: world.person.email, role: 'admin' } as const;
    if (world.status !== 'removed' || world.isReinvited) return refused(people.client.members.invite(invite));
    const { invitation } = await people.client.members.invite(invite);
    await service.client(null).members.accept(invitation);
    world.isReinvited = true;
  },
  'hand over': async ({ tokens }) => {
    for (const { id } of tokens) await tried(people.client.tokens.transfer(id, { owner_id: successor.id }));
  },
  unfreeze: async (world) => {
    for (const token of world.tokens) {
      const thawing = people.client.tokens.unfreeze(token.id);
      if (!token.isFrozen || token.isRevoked) await tried(thawing);
      else if (world.status !== 'active') await refused(thawing);
      else {
        await thawing;
        token.isFrozen = false;
        token.isOffered = false;
      }
    }
  },
  'take over': async ({ tokens, taken }) => {
    for (const token of tokens) {
      const taking = service.client(successorToken).tokens.takeOver(token.id);
      if (!token.isOffered) await refused(taking);
      else {
        taken.push((await taking).token);
        token.isRevoked = true;
        token.isOffered = false;
      }
    }
  },
  wait: async ({ tokens, taken }) => {
    // To the end of every window, and so of nothing else: the steward's token lives a year.
    service.clock.advance(86_400);
    await endLapsedOffers(service.db.db, service.clock.now());
    for (const token of tokens) if (token.isOffered) Object.assign(token, { isRevoked: true, isOffered: false });
    taken.length = 0;
  },
};

/** What becomes of a token when its maker goes, if its rule has anything to say. */
function goes(token: Expected, isMeant: boolean): void {
  if (!isMeant || token.isRevoked) return;
  if (token.rule === 'revoke') token.isRevoked = true;
  else if (!token.isFrozen) Object.assign(token, { isFrozen: true, isOffered: token.rule === 'transfer' });
}

async function refused(attempt: Promise<unknown>): Promise<void> {
  await expect(attempt).rejects.toBeInstanceOf(ProblemError);
}

/** Lets the service refuse it or not: it changes nothing about what is good. */
async function tried(attempt: Promise<unknown>): Promise<void> {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
  }
}
