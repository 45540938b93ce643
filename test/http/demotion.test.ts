import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Role } from '../../src/rules/role.js';
import { type Client, ProblemError } from '../../src/sdk/index.js';
import { type Leaving, type Maker, type Person, peopleOf } from '../setup/leaving.js';
import { createTestService, type TestService } from '../setup/service.js';
import { RULES } from '../setup/trust.js';

let service: TestService;
let people: Leaving;
let maker: Maker;
beforeAll(async () => {
  service = await createTestService();
  people = await peopleOf(service);
  maker = await people.makeMaker({ rule: 'freeze' });
  await people.go(maker, 'suspended');
  await people.client.members.reactivate(maker.id);
  await people.client.trustRules.put('kept', rule());
});
afterAll(() => service.close());

const rule = () => ({ ...RULES.kubernetes, workflow: maker.label });

test.each<[string, (admin: Client) => Promise<unknown>]>([
  ['thaw a token', (admin) => admin.tokens.unfreeze(maker.tokenId)],
  ['make a trust rule', (admin) => admin.trustRules.put('made', rule())],
  ['change a trust rule', (admin) => admin.trustRules.put('kept', { ...rule(), expires_in_seconds: 60 })],
  ['remove a trust rule', (admin) => admin.trustRules.remove('kept')],
])('who was an admin when it was asked, and is none when it is decided, does not %s', async (_, act) => {
  const person = await people.makePerson('admin');
  const before = await stateOf();
  expect(await askedBefore(person, 'member', act)).toBe(403);
  expect(await stateOf()).toEqual(before);
});

test('who was an owner when it was asked, and is a member when it is decided, brings no owner in', async () => {
  const email = 'friend@acme.example';
  const person = await people.makePerson('owner');
  const invite = (client: Client) => client.members.invite({ email, role: 'owner' });
  expect(await askedBefore(person, 'member', invite)).toBe(403);
  expect((await people.client.members.list({ limit: 200 })).data.map((member) => member.email)).not.toContain(email);
});

test('who was a member when it was asked, and is an auditor when it is decided, mints nothing', async () => {
  const person = await people.makePerson();
  const mint = { workflow: maker.label, scopes: ['repo:read'], expires_in_days: 7 };
  expect(await askedBefore(person, 'auditor', (client) => client.tokens.mint(mint))).toBe(403);
  expect((await people.client.tokens.list({ creator: person.id, workflow: maker.label })).data).toEqual([]);
});

test('who was to take a token over, and is an auditor when it is decided, gets none', async () => {
  const successor = await people.makePerson();
  const left = await people.makeMaker({ rule: 'transfer', successor_id: successor.id, window_days: 1 });
  await people.go(left, 'left');
  expect(await askedBefore(successor, 'auditor', (client) => client.tokens.takeOver(left.tokenId))).toBe(403);
  expect((await people.client.tokens.list({ workflow: left.label })).data).toHaveLength(1);
});

/** Asks for something as a person whose demotion is waited for already. Gives the status of the refusal; 0 for none. */
async function askedBefore(person: Person, role: Role, act: (client: Client) => Promise<unknown>): Promise<number> {
  const { demoting, acting } = await service.db.sql.begin(async (tx) => {
    await tx`select 1 from workspaces where id = ${service.owner.workspace.id} for update`;
    const patched = people.client.members.patch(person.id, { role });
    await waiting(1);
    const acted = act(service.client(person.signIn)).then(
      () => 0,
      (error: unknown) => (error instanceof ProblemError ? error.status : -1),
    );
    await waiting(2);
    return { demoting: patched, acting: acted };
  });
  await demoting;
  return acting;
}

async function stateOf() {
  const { data } = await people.client.trustRules.list();
  return { token: (await people.client.tokens.show(maker.tokenId)).status, rules: data };
}

/** Until so many statements of the service wait for a lock. */
async function waiting(many: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const rows = await service.db.sql`
      select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if (rows.length === many) return;
    if (Date.now() > deadline) throw new Error(`not ${many} statements came to wait in time`);
    await nextTurn();
  }
}
