import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { createMailSender } from '../../src/http/mail-sender.js';
import { createMailTransport } from '../../src/http/mail-transport.js';
import { noticesDue } from '../../src/rules/expiry-notice.js';
import { parsePublicId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { openDatabase } from '../../src/store/database.js';
import { noteExpiries } from '../../src/store/expiry-notices.js';
import { createMailServer, type MailServer } from '../setup/mail-server.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
let post: MailServer;
let serial = 0;
beforeAll(async () => {
  post = await createMailServer();
  service = await createTestService();
});
afterAll(async () => {
  await service.close();
  await post.close();
});

async function scene(contacts: string[] = []) {
  const owner = await service.makeWorkspace(`notices-${++serial}`);
  const client = service.client(owner.printed);
  const { id } = await client.workflows.put('nightly', {
    allowed_scopes: ['repo:*'],
    allowed_expiry_days: [1, 7, 30, 60, 90, 366],
    contacts,
  });
  const webhook = await client.webhooks.add({ url: 'https://hooks.example/in', events: ['token.expiring'] });
  const mint = (expires_in_days: number) =>
    client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days, name: 'deploys' });
  const told = async () => {
    const { data } = await client.webhooks.deliveries(webhook.id, { limit: 200 });
    return data.reverse().map(({ payload }) => payload['data'] as Record<string, unknown>);
  };
  const days = async (token: { id: string }) =>
    (await told()).filter(({ target }) => target === token.id).map(({ days_left }) => days_left);
  return { owner, client, workflowId: id, mint, told, days };
}

const later = (days: number) => addDays(service.clock.now(), days);
const note = (at: Date) => noteExpiries(service.db.db, at);

describe('the notices that are due', () => {
  const at = new Date('2030-01-01T00:00:00Z');
  it.each([
    [90, 31, [60]],
    [90, 60, [60]],
    [90, 61, []],
    [90, 30, [30, 60]],
    [90, 7.5, [30, 60]],
    [90, 7, [7, 30, 60]],
    [90, 0.5, [1, 7, 30, 60]],
    [90, 0, []],
    [60, 59, []],
    [30, 30, []],
    [30, 6, [7]],
    [30, 1, [1, 7]],
    [7, 6, []],
    [1, 0.5, []],
  ])('of a token of %d days with %d days left: %j', (life, left, days) => {
    const expiresAt = new Date(at.getTime() + left * 86_400_000);
    expect(noticesDue({ createdAt: addDays(expiresAt, -life), expiresAt }, at)).toEqual(days);
  });
});

describe('over a year', () => {
  it('each token has each notice once, and each address one mail of it, whatever the nodes do and however often they start anew', async () => {
    const { owner, mint, days, told } = await scene(['ops@acme.example']);
    const tokens = await Promise.all([366, 90, 60, 30, 7].map(mint));
    let nodes = [startNode(), startNode()];
    for (let day = 0; day <= 370; day += 1) {
      const hour = later(day + (day % 3) / 10);
      await Promise.all(nodes.map((node) => node.passOf(hour)));
      if (day % 90 !== 0) continue;
      await Promise.all(nodes.map((node) => node.close()));
      nodes = [startNode(), startNode()];
    }
    await Promise.all(nodes.map((node) => node.close()));
    const wanted = [[60, 30, 7, 1], [60, 30, 7, 1], [30, 7, 1], [7, 1], [1]];
    expect(await Promise.all(tokens.map(days))).toEqual(wanted);
    expect(await told()).toHaveLength(14);
    for (const address of ['ops@acme.example', owner.member.email]) {
      expect(tokens.map(({ id }) => mailedDays(address, id))).toEqual(wanted);
    }
  });
});

/** A node that notes and sends mails, at the instants that it is told. */
function startNode() {
  const database = openDatabase(service.database.options, undefined, true);
  const transport = createMailTransport({ settings: post.settings });
  let at = later(0);
  const sender = createMailSender({
    db: () => database.db,
    transport,
    issuer: () => ISSUER,
    log: createLog('error', { write: () => true } as unknown as NodeJS.WritableStream),
    now: () => at,
  });
  return {
    passOf: async (instant: Date) => {
      at = instant;
      await noteExpiries(database.db, instant);
      await sender.pass();
      await sender.idle();
    },
    close: async () => {
      transport.close();
      await database.close();
    },
  };
}

/** Of how many days the mails to an address have told, of a token, in the order in which they came. */
function mailedDays(address: string, id: string): number[] {
  return post.received
    .filter(({ to, text }) => to.includes(address) && text.includes(`  ${id}  `))
    .map(({ headers }) => Number(/within (\d+) day/.exec(headers.get('subject') ?? '')?.[1]));
}

describe('a notice', () => {
  it('names the token, its workflow, its owner and its end, and no secret', async () => {
    const { owner, mint, told } = await scene();
    const token = await mint(30);
    await note(later(24));
    expect(await told()).toEqual([
      {
        workspace_id: token.workspace_id,
        workspace: owner.workspace.slug,
        target: token.id,
        name: 'deploys',
        workflow: 'nightly',
        owner: { id: token.owner.id, email: owner.member.email },
        expires_at: token.expires_at,
        days_left: 7,
      },
    ]);
    expect(JSON.stringify(await told())).not.toContain(token.token);
  });

  it('that was missed is not sent late: the most urgent is', async () => {
    const { mint, days } = await scene();
    const token = await mint(90);
    await note(later(88));
    // A node whose clock is behind adds nothing.
    await note(later(40));
    expect(await days(token)).toEqual([7]);
    await note(later(89.5));
    expect(await days(token)).toEqual([7, 1]);
  });

  it('is found by a pass that looks only at what came since the one before', async () => {
    const { mint, days } = await scene();
    const [ninety, thirty] = [await mint(90), await mint(30)];
    let since = later(0);
    await note(since);
    for (let hour = 1; hour <= 91 * 24; hour += 6) {
      const at = later(hour / 24);
      await noteExpiries(service.db.db, at, since);
      since = at;
    }
    expect([await days(ninety), await days(thirty)]).toEqual([
      [60, 30, 7, 1],
      [7, 1],
    ]);
  });

  it('is sent once when many nodes come at the same moment', async () => {
    const { mint, told } = await scene();
    await Promise.all(Array.from({ length: 12 }, () => mint(30)));
    await Promise.all(Array.from({ length: 6 }, () => note(later(24))));
    expect(await told()).toHaveLength(12);
  });

  it('is not sent of a token that is rotated, revoked, frozen, of a suspended workspace, or a sign-in', async () => {
    const { client, mint, told } = await scene();
    const [rotated, revoked] = [await mint(30), await mint(30)];
    await client.tokens.rotate(rotated.id, { expires_in_days: 366 });
    await client.tokens.revoke(revoked.id, { reason: 'unused' });
    const frozen = await mint(30);
    await service.db.sql`update tokens set frozen_at = ${service.clock.now().toISOString()}
      where id = ${String(parsePublicId('tok', frozen.id))}`;
    await note(later(29.5));
    expect(await told()).toEqual([]);
    const other = await scene();
    await other.mint(30);
    await service.db.sql`update workspaces set suspended_at = now() where id = ${other.owner.workspace.id}`;
    await note(later(29.5));
    await service.db.sql`update workspaces set suspended_at = null where id = ${other.owner.workspace.id}`;
    expect(await other.told()).toEqual([]);
  });

  it('is taken back with the deliveries when the transaction fails, and sent by the next pass', async () => {
    const { mint, told } = await scene();
    await mint(30);
    await service.db.sql.unsafe(`create function refuse_delivery() returns trigger language plpgsql as
      $$ begin raise exception 'no room'; end $$;
      create trigger refuse_delivery before insert on webhook_deliveries execute function refuse_delivery()`);
    await expect(note(later(24))).rejects.toThrow();
    await service.db.sql.unsafe('drop function refuse_delivery() cascade');
    await note(later(24));
    expect(await told()).toHaveLength(1);
  });
});
