import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemberId, newId, parsePublicId, type TrustRuleId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { inTransaction } from '../../src/store/database.js';
import { type Ending, type EndingAction, endingOf, type SUPERSEDING_ACTIONS } from '../../src/store/endings.js';
import { replayJournal } from '../../src/store/journal-replay.js';
import { drawShortSecret, insertToken } from '../../src/store/mint.js';
import { copyIn } from '../../src/store/restore.js';
import { setSuspended } from '../../src/store/workspaces.js';
import { copyDatabase } from '../setup/copied.js';
import { createTestDatabase, type TestDatabase } from '../setup/database.js';
import { seedRunner, sendAsHost } from '../setup/dpop.js';
import { type Leaving, peopleOf } from '../setup/leaving.js';
import { PasskeyBrowser } from '../setup/passkey-browser.js';
import { givePasskey, signedInBrowser, signIn } from '../setup/passkeys.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { RULES } from '../setup/trust.js';

/** Something that is good in a backup: how it ended afterwards, and how one tells that it is good. */
interface Thing {
  readonly end: () => Promise<unknown>;
  readonly isGood: (service: TestService) => Promise<boolean>;
}

let service: TestService;
let people: Leaving;
let database: TestDatabase;
/** A service over the restored backup, which is older than the ends. */
let restored: TestService;
let kept: Thing;
/** What was rotated after the backup, and is good for as long as it overlaps with its successor. */
let overlapping: { readonly token: string; readonly endsAt: string | null };
type Action = EndingAction | (typeof SUPERSEDING_ACTIONS)[number];
const things = new Map<Action, Thing>();
/** What a journal tells of each of them. */
const endings = new Map<Action, Ending[]>();

beforeAll(async () => {
  service = await createTestService();
  people = await peopleOf(service);
  await service.makeWorkflow('kept');
  kept = ofToken((await mint('kept')).token, async () => undefined);
  for (const [action, make] of Object.entries(MAKERS)) things.set(action as Action, await make());
  const overlap = await mint('kept');
  const backup = await copyDatabase(service.database.options);

  for (const [action, { end }] of things) {
    const before = await endingsOf(action);
    await end();
    // Nothing of what another thing's end brought with it.
    const isNew = ({ hash }: Ending) => !before.some((known) => known.hash === hash);
    endings.set(action, (await endingsOf(action)).filter(isNew));
  }

  const { overlap_ends_at } = await rotated(overlap.id);
  overlapping = { token: overlap.token, endsAt: overlap_ends_at };

  database = await createTestDatabase();
  await copyIn(database.options, backup, { replaces: false, now: service.clock.now() });
  restored = await createTestService({ database, keys: service.keys, at: service.clock.now() });
});
afterAll(async () => {
  await restored.close();
  await database.drop();
  await service.close();
});

const MAKERS: Readonly<Record<Action, () => Promise<Thing>>> = {
  'workspace.suspended': async () => {
    const { printed } = await service.makeWorkspace('other');
    return ofToken(printed, () => setSuspended(service.db.db, 'other', true, service.clock.now()));
  },
  'member.suspended': async () => {
    const maker = await people.makeMaker();
    return ofToken(maker.token, () => people.go(maker, 'suspended'));
  },
  'member.removed': async () => {
    const maker = await people.makeMaker();
    return ofToken(maker.token, () => people.go(maker, 'removed'));
  },
  'workflow.paused': async () => {
    await service.makeWorkflow('paused');
    return ofToken((await mint('paused')).token, () => people.client.workflows.pause('paused'));
  },
  'token.revoked': async () => {
    const { id, token } = await mint('kept');
    return ofToken(token, () => people.client.tokens.revoke(id, { reason: 'leaked' }));
  },
  'token.frozen': async () => {
    const maker = await people.makeMaker({ rule: 'freeze' });
    return ofToken(maker.token, () => people.go(maker, 'suspended'));
  },
  'token.rotated': async () => {
    const { id, token } = await mint('kept');
    return ofToken(token, () => people.client.tokens.rotate(id, { overlap_seconds: 0 }));
  },
  'token.secret_replaced': async () => {
    const request = { workflow: 'kept', scopes: ['repo:read'], expires_in_days: 30 };
    const { token } = await people.client.tokens.mint(request, 'a lost answer');
    return ofToken(token, () => people.client.tokens.mint(request, 'a lost answer'));
  },
  'runner.suspended': async () => {
    const runner = await seedRunner(service);
    return ofRunner(runner, () => people.client.runners.suspend(runner.runner.id));
  },
  'runner.removed': async () => {
    const runner = await seedRunner(service);
    return ofRunner(runner, () => people.client.runners.remove(runner.runner.id));
  },
  'trust_rule.removed': async () => {
    const { id } = await people.client.trustRules.put('gone', { ...RULES.kubernetes, workflow: 'kept' });
    const token = await giveBy(parsePublicId('trl', id) as TrustRuleId);
    const given = ofToken(token, () => people.client.trustRules.remove('gone'));
    // Neither the token that it gave, nor itself, to give another.
    const isThere = (from: TestService) =>
      from
        .client()
        .trustRules.list()
        .then(({ data }) => data.length > 0);
    return { ...given, isGood: async (from) => (await given.isGood(from)) || (await isThere(from)) };
  },
  'passkey.removed': async () => {
    const person = await people.makePerson();
    const authenticator = await givePasskey(service, person.signIn);
    const { data } = await service.client(person.signIn).passkeys.list();
    return {
      end: () => people.client.passkeys.remove(data[0]?.id ?? ''),
      isGood: async (from) => (await signIn(new PasskeyBrowser(from, ISSUER), authenticator)).status === 200,
    };
  },
  'session.ended': async () => {
    const person = await people.makePerson();
    const browser = await signedInBrowser(service, await givePasskey(service, person.signIn));
    const { data } = await service.client(person.signIn).sessions.list();
    return {
      end: () => people.client.sessions.end(data[0]?.id ?? ''),
      isGood: async (from) => {
        const there = new PasskeyBrowser(from, ISSUER);
        for (const [name, value] of browser.cookies) there.cookies.set(name, value);
        return (await there.get('/console')).status === 200;
      },
    };
  },
};

async function endingsOf(wanted: Action): Promise<Ending[]> {
  const rows = await service.db.db.query.auditEvents.findMany();
  return rows.filter(({ action }) => action === wanted).flatMap((row) => endingOf(row.workspaceId, row) ?? []);
}

async function rotated(id: string) {
  await people.client.tokens.rotate(id, { overlap_seconds: 3600 });
  return people.client.tokens.show(id);
}

function mint(workflow: string) {
  return people.client.tokens.mint({ workflow, scopes: ['repo:read'], expires_in_days: 30 });
}

function ofToken(token: string, end: () => Promise<unknown>): Thing {
  // By itself, so that it needs nobody else.
  return {
    end,
    isGood: async (from) =>
      (
        await from
          .client(token)
          .introspect(token)
          .catch(() => DEAD)
      ).active,
  };
}
const DEAD = { active: false } as const;

function ofRunner({ key, token }: Awaited<ReturnType<typeof seedRunner>>, end: () => Promise<unknown>): Thing {
  return { end, isGood: async (from) => (await sendAsHost(from, key, 'GET', '/v1/me', { token })).status === 200 };
}

/** A token that a trust rule gave. */
async function giveBy(trustRuleId: TrustRuleId): Promise<string> {
  const now = service.clock.now();
  const { workspace, member } = service.owner;
  const minted = drawShortSecret(service.secrets, newId('tok', now));
  const creatorId: MemberId = member.id;
  const draft = { workspaceId: workspace.id, kind: 'access', workflow: 'kept', creatorId, ownerId: creatorId } as const;
  const may = { name: null, scopes: ['repo:read'], constraints: {}, notBefore: null, rotatedFrom: null };
  const life = { expiresAt: addDays(now, 1), expiresInDays: 0, lineageId: minted.id, trustRuleId };
  await inTransaction(service.db.db, (tx) => insertToken(tx, minted, { ...draft, ...may, ...life }, now));
  return minted.printed;
}

test.each(Object.keys(MAKERS) as Action[])(
  '%s: what a restored backup has revived ends again, once',
  async (action) => {
    const thing = things.get(action);
    const ofAction = endings.get(action) ?? [];
    expect(ofAction).not.toEqual([]);
    expect(await thing?.isGood(restored)).toBe(true);
    expect(await replayJournal(restored.db.db, ofAction, service.clock.now())).toBe(ofAction.length);
    expect(await thing?.isGood(restored)).toBe(false);
    expect(await kept.isGood(restored)).toBe(true);
    expect(await replayJournal(restored.db.db, ofAction, service.clock.now())).toBe(0);
  },
);

test('a rotation is journaled as a revocation, which the release before this one knows and obeys at once', () => {
  expect(endings.get('token.rotated')).toMatchObject([{ action: 'token.revoked', until: expect.any(String) }]);
});

test('what was rotated since the backup ends with its overlap', async () => {
  const all = await endingsOf('token.rotated');
  expect(await replayJournal(restored.db.db, all, service.clock.now())).toBe(1);
  const shown = await restored.client(overlapping.token).tokens.show('self');
  expect(shown).toMatchObject({ status: 'active', expires_at: overlapping.endsAt });
});
