import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { createOutgoing, type OutgoingOptions } from '../../src/http/outgoing.js';
import { createWebhookSender } from '../../src/http/webhook-sender.js';
import { createWebhookSignatures } from '../../src/http/webhook-signatures.js';
import { parsePublicId } from '../../src/rules/format.js';
import { everyPage, type WebhookEvent, type WebhookRequest } from '../../src/sdk/index.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { createReceiver, type Received, type Receiver } from '../setup/receiver.js';
import { send } from '../setup/request.js';
import { createTestService, makeKeys, type TestService } from '../setup/service.js';

const PRIVATE = ['127.0.0.1/32'];
const DAY = 86_400;

let service: TestService;
let receiver: Receiver;
let serial = 0;
beforeAll(async () => {
  receiver = await createReceiver();
  service = await createTestService({ allowedPrivateNetworks: PRIVATE });
});
afterEach(() => {
  receiver.answer = (response) => response.writeHead(204).end();
  receiver.received.length = 0;
});
afterAll(async () => {
  await service.close();
  await receiver.close();
});

const senderOf = (outgoing: Partial<OutgoingOptions> = {}, keys = service.keys) =>
  createWebhookSender({
    db: () => service.db.db,
    outgoing: createOutgoing({ allowedPrivateNetworks: PRIVATE, timeoutSeconds: 10, ...outgoing }),
    signatures: createWebhookSignatures([keys.peppers[0].key, ...keys.peppers.slice(1).map(({ key }) => key)]),
    log: createLog('error', { write: () => true } as unknown as NodeJS.WritableStream),
    now: service.clock.now,
    random: () => 0,
  });
const sendDue = async (sender = senderOf()) => {
  await sender.pass();
  await sender.idle();
};

/** A workspace of its own with a webhook, so that what others do is not told there. */
async function scene(request: Partial<WebhookRequest> = {}) {
  const owner = await service.makeWorkspace(`hooks-${++serial}`);
  const client = service.client(owner.printed);
  await client.workflows.put('nightly', { allowed_scopes: ['repo:*'] });
  const path = `/h${serial}`;
  const events: WebhookEvent[] = ['token.revoked', 'workflow.paused', 'member.suspended'];
  const webhook = await client.webhooks.add({ url: `${receiver.url}${path}`, events, ...request });
  const mint = () => client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 });
  const revoke = async () => {
    const { id } = await mint();
    await client.tokens.revoke(id, { reason: 'leaked', note: 'a note for us alone' });
    return id;
  };
  const deliveries = async () => (await client.webhooks.deliveries(webhook.id)).data;
  const told = () => receiver.received.filter((one) => one.path === path);
  return { owner, client, webhook, mint, revoke, deliveries, told };
}

/** As a receiver does it, from nothing but the secret that it was given. */
function isSignedWith(secret: string | null, { headers, body }: Received): boolean {
  const key = Buffer.from((secret ?? '').replace(/^whsec_/, ''), 'base64');
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(expected);
}

describe('a webhook', () => {
  it('is added with a secret that is shown once and is in no table', async () => {
    const { client, webhook } = await scene({ description: 'our alarms' });
    expect(webhook).toMatchObject({ form: 'standard', description: 'our alarms', disabled_at: null });
    expect(webhook.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const { secret, ...shown } = webhook;
    expect(await client.webhooks.show(webhook.id)).toEqual(shown);
    expect((await client.webhooks.list()).data).toEqual([shown]);
    const rows = await service.db.sql`select to_jsonb(w)::text as row from webhooks w
      union all select to_jsonb(e)::text from audit_events e`;
    expect(JSON.stringify(rows)).not.toContain(String(secret).slice(6));
    expect(service.log.join()).not.toContain(String(secret).slice(6));
  });

  it('is changed, held back, let on again and removed, each with its event that names the host alone', async () => {
    const { client, webhook } = await scene();
    expect(await client.webhooks.change(webhook.id, { events: ['policy.set'] })).toMatchObject({
      events: ['policy.set'],
    });
    await client.webhooks.change(webhook.id, { events: ['policy.set'] });
    expect((await client.webhooks.change(webhook.id, { enabled: false })).disabled_at).not.toBeNull();
    await expect(client.webhooks.test(webhook.id)).rejects.toMatchObject({ status: 409 });
    expect((await client.webhooks.change(webhook.id, { enabled: true })).disabled_at).toBeNull();
    await client.webhooks.remove(webhook.id);
    await expect(client.webhooks.show(webhook.id)).rejects.toMatchObject({ status: 404 });
    await expect(client.webhooks.remove(webhook.id)).rejects.toMatchObject({ status: 404 });
    const events = (await client.auditEvents({ target: webhook.id })).data;
    expect(events.map(({ action }) => action)).toEqual([
      'webhook.added',
      'webhook.changed',
      'webhook.changed',
      'webhook.changed',
      'webhook.removed',
    ]);
    expect(JSON.stringify(events)).not.toContain('/h');
    expect(events[0]?.data).toMatchObject({ host: new URL(receiver.url).host });
  });

  it('of a workspace there are twenty at most', async () => {
    const { client } = await scene();
    const add = () => client.webhooks.add({ url: receiver.url, events: ['policy.set'] });
    for (let there = 1; there < 20; there += 1) await add();
    await expect(add()).rejects.toMatchObject({ status: 422 });
    const seen: string[] = [];
    for await (const { id } of everyPage((cursor) => client.webhooks.list({ limit: 7, cursor }))) seen.push(id);
    expect(new Set(seen).size).toBe(20);
  });

  it.each([
    'http://93.184.216.34/hook',
    'https://10.0.0.1/hook',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/hook',
    'https://0x7f.1/hook',
    'http://localhost/hook',
    'https://user:pass@hooks.example/hook',
    'https://hooks.example/hook#part',
    'ftp://hooks.example/hook',
    'file:///etc/passwd',
    'hooks.example',
  ])('is not added at %s', async (url) => {
    const plain = await createTestService({ database: service.database, keys: service.keys });
    const { status, text } = await send(plain, 'POST', '/v1/webhooks', { json: { url, events: ['policy.set'] } });
    await plain.close();
    expect(status).toBe(422);
    expect(text).not.toContain('pass@');
  });

  it('whose name leads to a private address is sent nothing, and its workspace is not told where that is', async () => {
    const { client, webhook, revoke, deliveries } = await scene({ url: 'https://inside.example/hook' });
    await revoke();
    await sendDue(senderOf({ resolve: async () => [{ address: '10.1.2.3' }] }));
    const [delivery] = await deliveries();
    expect(delivery).toMatchObject({ status: 'pending', attempts: 1, last_fault: 'no whole answer within 10 s' });
    await client.webhooks.remove(webhook.id);
  });
});

describe('a message', () => {
  it('is signed as Standard Webhooks has it, and tells ids and names but no note', async () => {
    const { owner, webhook, revoke, told, deliveries } = await scene();
    const token = await revoke();
    await sendDue();
    const [message] = told();
    if (message === undefined) throw new Error('nothing came');
    expect(isSignedWith(webhook.secret, message)).toBe(true);
    expect(isSignedWith(webhook.secret, { ...message, body: `${message.body} ` })).toBe(false);
    expect(message.headers['webhook-timestamp']).toBe(String(service.clock.now().getTime() / 1000));
    expect(JSON.parse(message.body)).toEqual({
      type: 'token.revoked',
      timestamp: service.clock.now().toISOString(),
      data: {
        workspace_id: expect.stringMatching(/^ws_/),
        target: token,
        actor: { type: 'member', id: expect.stringMatching(/^mem_/) },
        event_id: expect.stringMatching(/^evt_/),
        seq: expect.any(Number),
        reason: 'leaked',
      },
    });
    expect(message.body).not.toContain('note for us');
    expect(message.body).not.toContain(owner.printed);
    expect(await deliveries()).toMatchObject([
      { id: message.headers['webhook-id'], status: 'delivered', attempts: 1, next_attempt_at: null, last_fault: null },
    ]);
  });

  it('goes to whoever wants that event, and to nobody of another workspace', async () => {
    const [here, there] = [await scene({ events: ['workflow.paused'] }), await scene()];
    await here.revoke();
    await here.client.workflows.pause('nightly');
    await sendDue();
    expect(here.told().map(({ body }) => JSON.parse(body).type)).toEqual(['workflow.paused']);
    expect(there.told()).toEqual([]);
    await expect(there.client.webhooks.show(here.webhook.id)).rejects.toMatchObject({ status: 404 });
    await expect(there.client.webhooks.deliveries(here.webhook.id)).rejects.toMatchObject({ status: 404 });
  });

  it('of the slack form is a text in which nobody is mentioned; its address is shown to nobody', async () => {
    const url = `${receiver.url}/services/T0/B0/very-secret`;
    const { client, webhook } = await scene({ url, form: 'slack', events: ['workflow.paused'] });
    expect(webhook).toMatchObject({ secret: null, url: `${receiver.url}/…` });
    await client.workflows.pause('nightly');
    await sendDue();
    const [message] = receiver.received;
    expect(message?.path).toBe('/services/T0/B0/very-secret');
    expect(message?.headers['webhook-signature']).toBeUndefined();
    expect(JSON.parse(message?.body ?? '')).toEqual({
      text: expect.stringMatching(
        /^Countersign: workflow\.paused: label nightly, target wfl_\w+, workspace_id ws_\w+$/,
      ),
    });
    await expect(client.webhooks.rotateSecret(webhook.id)).rejects.toMatchObject({ status: 409 });
    const seen = [await client.webhooks.list(), await client.auditEvents(), service.log];
    expect(JSON.stringify(seen)).not.toContain('very-secret');
  });

  it('is signed by the secret of before too, for a day', async () => {
    const { client, webhook, told, deliveries } = await scene();
    const fresh = await client.webhooks.rotateSecret(webhook.id);
    expect(fresh.secret).not.toBe(webhook.secret);
    service.clock.advance(DAY - 1);
    const signedBy = async () => {
      await client.webhooks.test(webhook.id);
      await sendDue();
      const last = told().at(-1);
      if (last === undefined) throw new Error('nothing came');
      return [webhook.secret, fresh.secret].map((secret) => isSignedWith(secret, last));
    };
    expect(await signedBy()).toEqual([true, true]);
    service.clock.advance(2);
    expect(await signedBy()).toEqual([false, true]);
    expect((await deliveries()).map(({ event }) => event)).toEqual(['webhook.tested', 'webhook.tested']);
  });

  it('is signed by an older key of the service too, while it has it', async () => {
    const { client, webhook, told } = await scene();
    const newer = await makeKeys();
    await client.webhooks.test(webhook.id);
    await sendDue(senderOf({}, { ...newer, peppers: [newer.peppers[0], ...service.keys.peppers] }));
    const [message] = told();
    expect(message && isSignedWith(webhook.secret, message)).toBe(true);
    expect(String(message?.headers['webhook-signature']).split(' ')).toHaveLength(2);
  });

  it('is not there when what it tells of was not committed', async () => {
    const { webhook, deliveries, client } = await scene({ events: ['member.suspended'] });
    const [{ id } = { id: '' }] = (await client.members.list()).data;
    // The last owner stays.
    await expect(client.members.suspend(id)).rejects.toMatchObject({ status: 409 });
    expect(await deliveries()).toEqual([]);
    expect(webhook.events).toEqual(['member.suspended']);
  });
});

describe('a receiver that does not take it', () => {
  const faults: readonly [string, (response: Parameters<Receiver['answer']>[0]) => void, string][] = [
    ['answers 500', (response) => response.writeHead(500).end('no'), 'answered 500'],
    [
      'redirects',
      (response) => response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end(),
      'answered 307: redirects are not followed',
    ],
    ['resets the connection', (response) => response.destroy(), 'no whole answer within 10 s'],
    [
      'answers without end',
      (response) => response.writeHead(200).end(Buffer.alloc(200_000, 'x')),
      'no whole answer within 10 s',
    ],
  ];
  it.each(faults)('%s: the message waits for its next attempt', async (_, answer, fault) => {
    const { client, webhook, revoke, deliveries, told } = await scene();
    await revoke();
    receiver.answer = (response) => answer(response);
    await sendDue();
    expect(await deliveries()).toMatchObject([{ status: 'pending', attempts: 1, last_fault: fault }]);
    await sendDue();
    expect(told()).toHaveLength(1);
    expect(receiver.received.some(({ path }) => path === '/elsewhere')).toBe(false);
    receiver.answer = (response) => response.writeHead(200).end();
    service.clock.advance(31);
    await sendDue();
    expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 2, last_fault: null }]);
    expect(new Set(told().map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    await client.webhooks.remove(webhook.id);
  });

  it('has nine attempts within three days; then the message is dead, until it is sent again by hand', async () => {
    const { client, webhook, revoke, told } = await scene();
    await revoke();
    receiver.answer = (response) => response.writeHead(503).end();
    const began = service.clock.now().getTime();
    const open = async () => (await client.webhooks.deliveries(webhook.id, { status: 'pending' })).data;
    for (let [delivery] = await open(); delivery !== undefined; [delivery] = await open()) {
      const wait = Date.parse(delivery.next_attempt_at ?? '') - service.clock.now().getTime();
      service.clock.advance(wait / 1000);
      await sendDue();
    }
    expect(told()).toHaveLength(9);
    expect(service.clock.now().getTime() - began).toBeLessThan(3 * DAY * 1000);
    const [dead] = (await client.webhooks.deliveries(webhook.id, { status: 'dead' })).data;
    expect(dead).toMatchObject({ attempts: 9, last_fault: 'answered 503', next_attempt_at: null });
    receiver.answer = (response) => response.writeHead(200).end();
    expect(await client.webhooks.replay(webhook.id, dead?.id ?? '')).toMatchObject({ status: 'pending', attempts: 0 });
    await expect(client.webhooks.replay(webhook.id, dead?.id ?? '')).rejects.toMatchObject({ status: 409 });
    await sendDue();
    expect(told().at(-1)?.headers['webhook-id']).toBe(dead?.id);
    expect((await client.webhooks.deliveries(webhook.id, { status: 'delivered' })).data).toHaveLength(1);
  });

  it('answers 410: the webhook is disabled, and the rest is dead', async () => {
    const { client, webhook, revoke, deliveries, told } = await scene();
    await revoke();
    receiver.answer = (response) => response.writeHead(410).end();
    await sendDue();
    expect((await client.webhooks.show(webhook.id)).disabled_at).not.toBeNull();
    expect(await deliveries()).toMatchObject([{ status: 'dead' }]);
    await revoke();
    await sendDue();
    expect(told()).toHaveLength(1);
    const actions = (await client.auditEvents({ target: webhook.id })).data.map(({ action, actor }) => [
      action,
      actor.type,
    ]);
    expect(actions).toEqual([
      ['webhook.added', 'member'],
      ['webhook.disabled', 'system'],
    ]);
  });

  it('is slow: four messages at a time wait for it, and others get theirs meanwhile', async () => {
    const [slow, quick] = [await scene(), await scene()];
    const waiting: Parameters<Receiver['answer']>[0][] = [];
    receiver.answer = (response, { path }) => {
      if (path === new URL(slow.webhook.url).pathname) waiting.push(response);
      else response.writeHead(204).end();
    };
    for (let n = 0; n < 6; n += 1) await slow.revoke();
    for (let n = 0; n < 6; n += 1) await quick.revoke();
    const sender = senderOf();
    await sender.pass();
    await vi.waitFor(() => expect([waiting.length, quick.told().length]).toEqual([4, 6]), 5_000);
    await sender.pass();
    expect(slow.told()).toHaveLength(4);
    receiver.answer = (response) => response.writeHead(204).end();
    for (const response of waiting) response.writeHead(204).end();
    await sender.idle();
    expect(slow.told()).toHaveLength(6);
    expect((await slow.deliveries()).every(({ status }) => status === 'delivered')).toBe(true);
  });

  it('takes longer than it may: the attempt has failed', async () => {
    const { client, webhook, revoke, deliveries } = await scene();
    await revoke();
    receiver.answer = () => {};
    await sendDue(senderOf({ timeoutSeconds: 0.05 }));
    expect(await deliveries()).toMatchObject([{ status: 'pending', attempts: 1 }]);
    await client.webhooks.remove(webhook.id);
  });
});

describe('several nodes', () => {
  it('send each message once', async () => {
    const { revoke, told } = await scene();
    for (let n = 0; n < 12; n += 1) await revoke();
    await Promise.all(Array.from({ length: 4 }, () => sendDue(senderOf())));
    const ids = told().map(({ headers }) => headers['webhook-id']);
    expect(ids).toHaveLength(12);
    expect(new Set(ids).size).toBe(12);
  });

  it('send what one of them took and died over', async () => {
    const { revoke, told, deliveries } = await scene();
    await revoke();
    const [taken] = await deliveries();
    const until = new Date(service.clock.now().getTime() + 60_000);
    await service.db.sql`update webhook_deliveries set attempts = 1, next_attempt_at = ${until.toISOString()}
      where id = ${String(parsePublicId('dlv', taken?.id ?? ''))}`;
    await sendDue();
    expect(told()).toHaveLength(0);
    service.clock.advance(61);
    await sendDue();
    expect(await deliveries()).toMatchObject([{ status: 'delivered', attempts: 2 }]);
  });
});

describe('the service', () => {
  it('sends by itself', async () => {
    const running = await createTestService({ allowedPrivateNetworks: PRIVATE, notifyEveryMs: 20 });
    const { id } = await running.client().webhooks.add({ url: `${receiver.url}/running`, events: ['policy.set'] });
    await running.client().webhooks.test(id);
    await vi.waitFor(async () => {
      const [delivery] = (await running.client().webhooks.deliveries(id)).data;
      expect(delivery?.status).toBe('delivered');
    }, 5_000);
    const { text } = await send(running, 'GET', '/metrics', { token: null });
    expect(text).toContain('countersign_webhook_attempts_total{outcome="delivered"} 1');
    await running.close();
  });

  it('forgets deliveries after 30 days', async () => {
    const { client, webhook, deliveries } = await scene();
    await client.webhooks.test(webhook.id);
    await sendDue();
    await keepHouse(service.db.sql, new Date(service.clock.now().getTime() + 29 * DAY * 1000));
    expect(await deliveries()).toHaveLength(1);
    await keepHouse(service.db.sql, new Date(service.clock.now().getTime() + 31 * DAY * 1000));
    expect(await deliveries()).toEqual([]);
  });
});
