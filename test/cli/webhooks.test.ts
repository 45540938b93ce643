import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
});
afterAll(() => service.close());

const home = temporaryDirectory();
const run = (args: readonly string[], input = '') =>
  commandLineHere(home)(['webhook', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
    input,
  });
const EVENTS = ['--event', 'token.expiring', 'token.revoked'];

describe('webhook', () => {
  test('add prints the secret alone; show, list, test, deliveries, replay and remove know it', async () => {
    const added = await run(['add', 'https://hooks.example/in', ...EVENTS, '--description', 'alarms']);
    expect(added.code).toBe(0);
    expect(added.stdout).toMatch(/^whsec_[A-Za-z0-9+/]{43}=\n$/);
    const [{ id } = { id: '' }] = JSON.parse((await run(['list', '--json'])).stdout).data as { id: string }[];
    expect((await run(['list'])).stdout).toContain(
      'https://hooks.example/in\tstandard\ttoken.expiring token.revoked\tenabled',
    );
    expect((await run(['show', id])).stdout).toContain('for\talarms\n');
    const sent = JSON.parse((await run(['test', id, '--json'])).stdout) as { delivery_id: string };
    const listed = await run(['deliveries', id, '--status', 'pending']);
    expect(listed.stdout).toContain(`${sent.delivery_id}\twebhook.tested\tpending\t0\t`);
    expect((await run(['deliveries', id, '--status', 'dead'])).stderr).toContain('No deliveries match.');
    expect(await run(['replay', id, sent.delivery_id])).toMatchObject({ code: 1, stdout: '' });
    expect((await run(['remove', id, '--json'])).stdout).toBe(`{"id":"${id}","removed":true}\n`);
    expect((await run(['list'])).stderr).toContain('There are no webhooks.');
  });

  test('add reads the address of a chat from standard input alone, and does not show it again', async () => {
    const url = 'https://hooks.slack.example/services/T0/very-secret';
    const refused = await run(['add', url, '--form', 'slack', ...EVENTS]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).not.toContain('very-secret');
    const added = await run(['add', '-', '--form', 'slack', ...EVENTS], `${url}\n`);
    expect(added).toMatchObject({ code: 0, stdout: '' });
    expect((await run(['list'])).stdout).toContain('https://hooks.slack.example/…');
    expect((await run(['list', '--json'])).stdout).not.toContain('very-secret');
  });

  test('add refuses an event that there is not', async () => {
    expect((await run(['add', 'https://hooks.example/in', '--event', 'token.made'])).code).toBe(2);
  });

  test('set changes what is named and keeps the rest; disable and enable hold it back and let it on', async () => {
    const added = JSON.parse((await run(['add', 'https://hooks.example/in', ...EVENTS, '--json'])).stdout);
    const id = String(added.id);
    const events = ['--event', 'incident.opened', 'policy.set'];
    const set = await run(['set', id, ...events, '--url', 'https://hooks.example/other']);
    expect(set).toMatchObject({ code: 0, stdout: expect.stringContaining('events\tincident.opened policy.set\n') });
    const described = await run(['set', id, '--description', 'alarms', '--json']);
    expect(JSON.parse(described.stdout)).toMatchObject({
      url: 'https://hooks.example/other',
      events: ['incident.opened', 'policy.set'],
      description: 'alarms',
      disabled_at: null,
    });
    expect((await run(['disable', id])).stdout).toContain('state\tdisabled\n');
    expect(await run(['test', id])).toMatchObject({ code: 1, stdout: '' });
    const enabled = await run(['enable', id, '--json']);
    expect(JSON.parse(enabled.stdout)).toMatchObject({ disabled_at: null, description: 'alarms' });
    expect((await run(['test', id])).code).toBe(0);
  });

  test('set refuses to change nothing, an event that there is not, and the address of a chat on the command line', async () => {
    const chat = await run(
      ['add', '-', '--form', 'slack', ...EVENTS, '--json'],
      'https://hooks.slack.example/T0/first\n',
    );
    const id = String(JSON.parse(chat.stdout).id);
    expect((await run(['set', id])).code).toBe(2);
    expect((await run(['set', id, '--event', 'token.made'])).code).toBe(2);
    const refused = await run(['set', id, '--url', 'https://hooks.slack.example/T0/very-secret']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).not.toContain('very-secret');
    const moved = await run(['set', id, '--url', '-'], 'https://hooks.chat.example/T0/very-secret\n');
    expect(moved).toMatchObject({ code: 0, stdout: expect.stringContaining('url\thttps://hooks.chat.example/…\n') });
    expect(moved.stdout + moved.stderr).not.toContain('very-secret');
  });

  test('rotate-secret prints the new secret alone, and refuses a webhook that is not signed', async () => {
    const added = JSON.parse((await run(['add', 'https://hooks.example/in', ...EVENTS, '--json'])).stdout);
    const rotated = await run(['rotate-secret', String(added.id)]);
    expect(rotated).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=\n$/) });
    expect(rotated.stdout.trim()).not.toBe(added.secret);
    expect(rotated.stderr).toContain('For a day');
    const again = JSON.parse((await run(['rotate-secret', String(added.id), '--json'])).stdout);
    expect(again).toMatchObject({ id: added.id, secret: expect.stringMatching(/^whsec_/) });
    const chat = await run(['add', '-', '--form', 'slack', ...EVENTS, '--json'], 'https://hooks.slack.example/T0/x\n');
    expect(await run(['rotate-secret', String(JSON.parse(chat.stdout).id)])).toMatchObject({ code: 1, stdout: '' });
  });
});
