import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createGithub, type Github } from '../setup/github.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { createReceiver, type Receiver } from '../setup/receiver.js';
import { send } from '../setup/request.js';
import { createTestService } from '../setup/service.js';
import { guard, isLiving, numberAfter } from './harness.js';

const LOOPBACK = ['127.0.0.1/32'];

let github: Github;
let receiver: Receiver;
let service: ListeningService;
beforeAll(async () => {
  [github, receiver] = await Promise.all([createGithub(), createReceiver()]);
  service = await createListeningService({
    allowedPrivateNetworks: LOOPBACK,
    githubKeysUrl: github.keysUrl,
    sendsAtOnce: true,
  });
});
afterAll(async () => {
  service.service.drain();
  await service.close();
  await Promise.all([github.close(), receiver.close()]);
});

/** What came to one path of the receiver, in its order; the passes of the services are weeks apart. */
const toldAt = (path: string) =>
  receiver.received.filter((one) => one.path === path).map(({ body }) => JSON.parse(body));

test('a token in an alert of GitHub is dead, its job stopped and its owner told, and nothing waits for a pass', async () => {
  const events = ['token.revoked' as const, 'incident.opened' as const];
  await service.client().webhooks.add({ url: `${receiver.url}/leaks`, events });
  const { id, token } = await service.seedToken({ scopes: ['codex:exec'] });
  const job = guard(
    { url: service.url },
    {
      command: ['sh', '-c', 'echo pid $$; exec sleep 1000'],
      token,
      workflow: 'nightly',
      scopes: ['codex:exec'],
      env: { PATH: process.env['PATH'] },
    },
  );
  await job.stdout.shows('\n');

  const body = JSON.stringify([
    { token, type: 'countersign_token', url: 'https://github.com/acme/shop', source: 'commit' },
  ]);
  const answer = await send(service, 'POST', '/v1/leaks/github', { token: null, body, headers: github.signed(body) });
  expect(JSON.parse(answer.text)).toMatchObject([{ label: 'true_positive' }]);

  expect(await service.client().introspect(token)).toEqual({ active: false });
  expect(await job.exitCode).toBe(77);
  expect(job.stderr.text).toContain('stopping the command (revoked)');
  expect(isLiving(numberAfter('pid', job.stdout.text))).toBe(false);
  await vi.waitFor(() => expect(toldAt('/leaks')).toHaveLength(2), 20_000);
  const [incident, ...others] = (await service.client().incidents.list({ token: id })).data;
  expect(others).toEqual([]);
  expect(incident).toMatchObject({ kind: 'leak', revoked: [id] });
  expect(new Set(toldAt('/leaks').map(({ type, data }) => `${type} ${data.target}`))).toEqual(
    new Set([`token.revoked ${id}`, `incident.opened ${incident?.id}`]),
  );
  const report = await service.client().incidents.show(incident?.id ?? '');
  expect(report.uses).toMatchObject([{ decision: 'allow', run_status: 'finished' }]);
});

test('a message leaves with the commit, by whichever node sends: of an event, of a test and of a replay', async () => {
  // This one sends nothing by itself.
  const silent = await createTestService({
    database: service.database,
    keys: service.keys,
    at: service.clock.now(),
    allowedPrivateNetworks: LOOPBACK,
  });
  try {
    const { id: workflow } = await silent.client().workflows.put('told', { allowed_scopes: ['repo:*'] });
    const url = `${receiver.url}/across`;
    const { id } = await silent.client().webhooks.add({ url, events: ['workflow.paused'] });
    await silent.client().workflows.pause('told');
    await vi.waitFor(() => expect(toldAt('/across')).toMatchObject([{ data: { target: workflow } }]), 20_000);
    const { delivery_id } = await silent.client().webhooks.test(id);
    const delivered = async () => (await silent.client().webhooks.deliveries(id, { status: 'delivered' })).data;
    await vi.waitFor(async () => expect(await delivered()).toHaveLength(2), 20_000);
    await silent.client().webhooks.replay(id, delivery_id);
    await vi.waitFor(() => expect(toldAt('/across')).toHaveLength(3), 20_000);
  } finally {
    await silent.close();
  }
});

test('a storm of messages arrives whole, each once', async () => {
  await service.client().webhooks.add({ url: `${receiver.url}/storm`, events: ['workflow.paused'] });
  const labels = Array.from({ length: 60 }, (_, at) => `storm-${at}`);
  await Promise.all(labels.map((label) => service.makeWorkflow(label)));
  await Promise.all(labels.map((label) => service.client().workflows.pause(label)));
  await vi.waitFor(() => expect(toldAt('/storm')).toHaveLength(labels.length), 30_000);
  expect(new Set(toldAt('/storm').map(({ data }) => data.label))).toEqual(new Set(labels));
});
