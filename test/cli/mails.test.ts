import { afterAll, beforeAll, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { NO_MAIL_SERVER } from '../setup/mail-server.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService({ mail: { settings: NO_MAIL_SERVER } });
});
afterAll(() => service.close());

const home = temporaryDirectory();
const run = (...args: readonly string[]) =>
  commandLineHere(home)(['mail', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
  });

test('mail list shows to whom what was sent; replay sends what is over once more', async () => {
  expect(await run('list')).toMatchObject({ code: 0, stdout: '', stderr: 'No mails match.\n' });
  const { token } = await service.seedToken();
  await service.client().incidents.report({ tokens: [token] });
  const [mail] = JSON.parse((await run('list', '--json')).stdout).data as { id: string }[];
  const id = mail?.id ?? '';
  const { email } = service.owner.member;
  expect((await run('list', '--status', 'pending')).stdout).toContain(`${id}\t${email}\t[countersign `);
  expect((await run('list', '--status', 'dead')).stderr).toContain('No mails match.');
  expect(await run('replay', id)).toMatchObject({ code: 1, stderr: expect.stringContaining('still on its way') });
  await service.db.sql`update mail_deliveries set status = 'dead', last_fault = 'the mail server answered 550'`;
  expect((await run('list', '--status', 'dead')).stdout).toContain('the mail server answered 550');
  expect((await run('replay', id)).stderr).toBe(`${id} is on its way to ${email} again.\n`);
});
