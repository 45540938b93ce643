import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parsePublicId, printId } from '../../src/rules/format.js';
import { createLookup, type Lookup } from '../../src/store/lookup.js';
import { createUnusedFreezer } from '../../src/store/unused.js';
import { createUseLog } from '../../src/store/use.js';
import { recoverMember } from '../../src/store/workspaces.js';
import { seedRunner } from '../setup/dpop.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

const DAY = 86_400;
let service: TestService;
let lookup: Lookup;
beforeAll(async () => {
  service = await createTestService();
  lookup = createLookup(service.database.options, () => undefined);
  await service.makeWorkflow('nightly', { allowed_scopes: ['repo:*'] });
});
afterAll(async () => {
  await lookup.close();
  await service.close();
});

/** A sign-in that is good today: the clock goes on by months. */
async function signIn(email = service.owner.member.email): Promise<string> {
  const found = await recoverMember(
    service.db.db,
    service.secrets,
    service.owner.workspace,
    email,
    service.clock.now(),
  );
  if (!found.ok) throw new Error('nobody has that address');
  return found.value.printed;
}
const owner = async () => service.client(await signIn());
let client: Awaited<ReturnType<typeof owner>>;
beforeEach(async () => {
  client = await owner();
  await client.policy.remove();
});

const mint = (days: 30 | 60 | 90 = 90) =>
  client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: days });
const at = () => service.clock.now().toISOString();
const pass = () => createUnusedFreezer(() => service.db.db).pass(service.clock.now());
const later = async (days: number) => {
  service.clock.advance(days * DAY);
  client = await owner();
};
const stateOf = async (id: string) => {
  const { status, frozen_reason } = await client.tokens.show(id);
  return frozen_reason === null ? status : `${status}: ${frozen_reason}`;
};
const frozenEvents = async (id: string) => (await client.auditEvents({ target: id, action: 'token.frozen' })).data;

describe('a token that nobody uses', () => {
  it('is frozen after so many days, once, and is told so', async () => {
    const { id, token } = await mint();
    await client.policy.put({ freeze_unused_after_days: 30 });
    await later(29);
    expect(await pass()).toBe(0);
    await later(1);
    const nodes = [pass(), pass(), pass()];
    expect((await Promise.all(nodes)).reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(1);
    await pass();
    expect(await stateOf(id)).toBe('suspended: unused');
    expect((await client.introspect(token)).active).toBe(false);
    expect((await client.execChecks.check({ workflow: 'nightly', token })).decision).toBe('deny');
    expect((await frozenEvents(id)).map(({ data, actor }) => [data, actor.type])).toEqual([
      [{ reason: 'unused', after_days: 30, last_used_at: null }, 'system'],
    ]);
    expect((await client.tokens.explain(id)).summary).toContain('frozen, because it was not used for 30 days');
  });

  it('is not while no policy says so, nor when the policy was taken away', async () => {
    const { id } = await mint(60);
    await later(31);
    expect(await pass()).toBe(0);
    await client.policy.put({ freeze_unused_after_days: 30 });
    await client.policy.remove();
    expect(await pass()).toBe(0);
    expect(await stateOf(id)).toBe('active');
  });

  it('is not when it was used, by any way, the last moment included', async () => {
    const [introspected, checked, late] = [await mint(), await mint(), await mint()];
    await client.policy.put({ freeze_unused_after_days: 30 });
    await later(15);
    await client.introspect(introspected.token);
    await service.client(checked.token).execChecks.check({ workflow: 'nightly' });
    await client.introspect(late.token);
    await later(16);
    // Of this check only the decision is on record yet.
    await client.execChecks.check({ workflow: 'nightly', token: late.token });
    await later(15);
    await service.db.sql`update tokens set last_used_at = created_at where id = ${parsePublicId('tok', late.id) ?? ''}`;
    await pass();
    expect(await stateOf(late.id)).toBe('active');
    expect([await stateOf(introspected.id), await stateOf(checked.id)]).toEqual([
      'suspended: unused',
      'suspended: unused',
    ]);
  });

  it('is not when a use is written down while it is looked at', async () => {
    const { id, token } = await mint();
    await client.policy.put({ freeze_unused_after_days: 30 });
    await client.introspect(token);
    await later(31);
    const stored = await lookup.find(parsePublicId('tok', id) ?? ('' as never));
    if (stored === undefined) throw new Error('not there');
    const uses = createUseLog(() => service.db.db);
    uses.note(stored, { at: service.clock.now(), ip: undefined, by: undefined });
    let freezing: Promise<number> | undefined;
    await service.db.sql.begin(async (tx) => {
      await tx`update tokens set last_used_at = ${at()} where id = ${stored.facts.id}`;
      freezing = pass();
      // It waits for the row.
      await expect
        .poll(async () => (await service.db.sql`select 1 from pg_locks where not granted`).length)
        .toBeGreaterThan(0);
    });
    await freezing;
    expect(await stateOf(id)).toBe('active');
  });

  it('that was unfrozen begins its days anew, and its own creator may unfreeze it', async () => {
    const { id, token } = await mint();
    await client.policy.put({ freeze_unused_after_days: 7 });
    await later(8);
    await pass();
    expect(await stateOf(id)).toBe('suspended: unused');
    expect(await client.tokens.unfreeze(id)).toMatchObject({ status: 'active', frozen_at: null, frozen_reason: null });
    expect((await client.introspect(token)).active).toBe(true);
    await later(6);
    await service.db.sql`update tokens set last_used_at = null where id = ${parsePublicId('tok', id) ?? ''}`;
    await pass();
    expect(await stateOf(id)).toBe('active');
    await later(1);
    await pass();
    expect(await stateOf(id)).toBe('suspended: unused');
    expect(await frozenEvents(id)).toHaveLength(2);
  });

  it('is frozen for having left from then on, when its creator leaves meanwhile', async () => {
    const email = `leaver-${service.clock.now().getTime()}@acme.example`;
    const { id: memberId, invitation } = await client.members.invite({ email, role: 'admin' });
    const leaver = await service.client(null).members.accept(invitation);
    await client.workflows.put('leaving', { allowed_scopes: ['repo:*'], leaver: { rule: 'freeze' } });
    const request = { workflow: 'leaving', scopes: ['repo:read'], expires_in_days: 30 };
    const { id } = await service.client(leaver.token).tokens.mint(request);
    await client.policy.put({ freeze_unused_after_days: 7 });
    await later(8);
    await pass();
    expect(await stateOf(id)).toBe('suspended: unused');
    await client.members.suspend(memberId);
    expect(await stateOf(id)).toBe('suspended: owner_left');
    await client.members.reactivate(memberId);
    const back = service.client(await signIn(email));
    await expect(back.tokens.unfreeze(id)).rejects.toMatchObject({ status: 403 });
  });
});

describe('what is never frozen for not being used', () => {
  it('sign-in tokens, runners’, those of a trust rule, what has a successor, what is not valid yet', async () => {
    const runner = await seedRunner(service, { approver: await signIn() });
    const rotated = await mint(60);
    await client.tokens.rotate(rotated.id, { overlap_seconds: 604_800 });
    const waiting = await client.tokens.mint({
      workflow: 'nightly',
      scopes: ['repo:read'],
      expires_in_days: 60,
      not_before: new Date(service.clock.now().getTime() + 5 * DAY * 1000).toISOString(),
    });
    const ruled = await mint();
    await service.db
      .sql`update tokens set trust_rule_id = gen_random_uuid() where id = ${parsePublicId('tok', ruled.id) ?? ''}`;
    await client.policy.put({ freeze_unused_after_days: 7 });
    await later(7);
    await pass();
    const rows = await service.db.sql`
      select id, kind, workflow from tokens
      where frozen_reason = 'unused' and frozen_at = ${at()}`;
    const frozen = rows.map((row) => printId('tok', row['id'] as never));
    for (const id of [rotated.id, waiting.id, ruled.id]) expect(frozen).not.toContain(id);
    expect(rows.filter((row) => row['kind'] !== 'access' || row['workflow'] === 'countersign')).toEqual([]);
    expect((await client.runners.show(runner.runner.id)).status).toBe('active');
    await later(5);
    await pass();
    expect(await stateOf(waiting.id)).toBe('suspended: unused');
  });
});

describe('the policy', () => {
  it('takes 7 to 366 days, and tells how many would be frozen now', async () => {
    for (const days of [6, 367, 7.5, '30']) {
      const json = { freeze_unused_after_days: days };
      expect((await send(service, 'PUT', '/v1/policy', { token: await signIn(), json })).status).toBe(422);
    }
    // What the other tests made has ended then.
    await later(100);
    const tokens = [await mint(30), await mint(30), await mint(30)];
    await later(7);
    await client.introspect(tokens[0]?.token ?? '');
    const outcome = await client.policy.dryRun({ freeze_unused_after_days: 7 });
    expect(outcome).toMatchObject({ not_complying: 0, to_freeze: 2, policy: { freeze_unused_after_days: 7 } });
    expect((await client.policy.dryRun({})).to_freeze).toBe(0);
    expect(await client.policy.put({ freeze_unused_after_days: 7 })).toMatchObject({ to_freeze: 2 });
    expect(await pass()).toBe(2);
  });

  it('is told of by the report of unused tokens', async () => {
    const { id } = await mint(30);
    await client.policy.put({ freeze_unused_after_days: 20 });
    await later(10);
    const why = async () => {
      const { data } = await client.reports.tokens({ kind: 'unused', days: 10, limit: 200 });
      return data.find((one) => one.id === id)?.why[0]?.detail;
    };
    const day = new Date(service.clock.now().getTime() + 10 * DAY * 1000).toISOString().slice(0, 10);
    expect(await why()).toBe(`never used; made 10 days ago; frozen on ${day}, unless it is used`);
    await client.policy.remove();
    expect(await why()).toBe('never used; made 10 days ago');
  });

  it('reaches all tokens of a workspace, some thousand a pass', async () => {
    await client.policy.put({ freeze_unused_after_days: 7 });
    const { id } = await mint(90);
    const source = parsePublicId('tok', id) ?? '';
    await service.db.sql`
      insert into tokens select (jsonb_populate_record(t, jsonb_build_object('id', replace(t.id::text, right(t.id::text, 12),
        lpad(to_hex(i), 12, '0')), 'lineage_id', gen_random_uuid()))).*
      from tokens t, generate_series(1, 5500) i where t.id = ${source}`;
    await later(8);
    const freezer = createUnusedFreezer(() => service.db.db);
    const passes = [await freezer.pass(service.clock.now()), await freezer.pass(service.clock.now())];
    expect(Math.max(...passes)).toBeLessThanOrEqual(5000);
    expect(passes.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(5501);
    expect(await freezer.pass(service.clock.now())).toBe(0);
    const [held] = await service.db.sql`select count(*)::int as n from audit_events
      where action = 'token.frozen' and data->>'reason' = 'unused' and at = ${at()}`;
    expect(held?.['n']).toBe(passes.reduce((sum, one) => sum + one, 0));
  });
});
