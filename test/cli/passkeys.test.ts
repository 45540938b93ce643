import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { printId } from '../../src/rules/format.js';
import { listWorkspaces, recoverMember } from '../../src/store/workspaces.js';
import { Authenticator } from '../setup/authenticator.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { PasskeyBrowser } from '../setup/passkey-browser.js';
import { addByLink, confirm, formTokenOf, givePasskey, signedInBrowser, signIn } from '../setup/passkeys.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
let pages: string;
beforeAll(async () => {
  service = await createListeningService();
  pages = service.url.replace('127.0.0.1', 'localhost');
});
afterAll(() => service.close());

const home = temporaryDirectory();
function run(token: string, args: readonly string[], isTerminal = false) {
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: token, NO_COLOR: '1' };
  return commandLineHere(home)(args, { env, isTerminal });
}

async function owner() {
  const { token, id } = await service.makeMember('owner');
  const authenticator = await givePasskey(service, token, { authenticator: new Authenticator(pages) });
  return { token, id, authenticator };
}

/** The page of the step-up that a command waits for. */
async function askedPage(): Promise<string> {
  return vi.waitUntil(
    async () => {
      const [row] = await service.db.sql`select id from step_ups where status = 'pending'`;
      return row && `/console/step-up/${printId('stp', row['id'])}`;
    },
    { timeout: 20_000, interval: 20 },
  );
}

describe('passkey add, list and remove', () => {
  test('add prints a link for a browser, on standard output alone; its passkey is listed and removed', async () => {
    const { token } = await service.makeMember('member');
    const added = await run(token, ['passkey', 'add', '--name', 'laptop']);
    expect(added).toMatchObject({ code: 0, stderr: expect.stringContaining('good once') });
    const link = new URL(added.stdout.trim());
    expect(`${link.origin}${link.pathname}`).toBe(`${pages}/console/passkeys/add`);
    const browser = new PasskeyBrowser(service, pages);
    expect((await addByLink(browser, link.hash.slice(1), new Authenticator(pages))).status).toBe(200);

    const listed = await run(token, ['passkey', 'list', '--json']);
    const [passkey] = JSON.parse(listed.stdout).data;
    expect(passkey).toMatchObject({ name: 'laptop', last_used_at: null });
    expect((await run(token, ['passkey', 'list'])).stdout).toContain(`${passkey.id}\tlaptop\t`);
    const removed = await run(service.owner.printed, ['passkey', 'remove', passkey.id]);
    expect(removed).toMatchObject({ code: 0, stderr: expect.stringContaining('is removed') });
    expect(JSON.parse((await run(token, ['passkey', 'list', '--json'])).stdout).data).toEqual([]);
  });

  test('on a terminal it shows a QR code, too', async () => {
    const { token } = await service.makeMember('member');
    expect((await run(token, ['passkey', 'add'], true)).stderr).toMatch(/[▀▄█]{20}/);
  });
});

describe('what needs a confirmation', () => {
  const PANIC = ['revoke-all', '--workflow', 'no-such', '--reason', 'leaked', '--yes', '--json'];

  test('without a terminal says what to do, and is refused', async () => {
    const { token } = await owner();
    const refused = await run(token, PANIC);
    expect(refused).toMatchObject({ code: 77, stdout: '' });
    expect(JSON.parse(refused.stderr).error).toMatchObject({ kind: 'step-up-required', status: 401 });
    const told = await run(token, PANIC.slice(0, -1));
    expect(told.stderr).toContain('a passkey has to confirm this first: revoke all tokens of the workflow no-such');
    expect(told.stderr).toContain('Run it on a terminal');
    expect(await service.db.sql`select 1 from step_ups`).toHaveLength(0);
  });

  test('on a terminal shows where, waits, and goes on once it is confirmed', async () => {
    const { token, authenticator } = await owner();
    const running = run(token, PANIC, true);
    const browser = await signedInBrowser(service, authenticator);
    const page = await askedPage();
    expect((await browser.get(page)).text).toContain('revoke all tokens of the workflow no-such');
    expect((await confirm(browser, page, authenticator)).status).toBe(200);
    const done = await running;
    expect(done.code).toBe(0);
    expect(JSON.parse(done.stdout)).toEqual({ revoked: 0, token_ids: [] });
    expect(done.stderr).toContain(`${pages}${page}`);
    expect(done.stderr).toContain('Confirmed.');
    // For five minutes nothing asks again.
    expect((await run(token, PANIC)).code).toBe(0);
  });

  test('ends with 77 when it is denied', async () => {
    const { token, authenticator } = await owner();
    const running = run(token, PANIC, true);
    const browser = await signedInBrowser(service, authenticator);
    const page = await askedPage();
    expect((await browser.submit(`${page}/deny`, { form_token: await formTokenOf(browser, page) })).status).toBe(200);
    expect(await running).toMatchObject({ code: 77, stderr: expect.stringContaining('It was denied.') });
  });
});

test('member recover --remove-passkeys takes lost passkeys and their sessions away, and is on record', async () => {
  const { token, id, authenticator } = await owner();
  const browser = await signedInBrowser(service, authenticator);
  const { email, workspace } = await service.client(token).me();
  const [found] = (await listWorkspaces(service.db.db)).filter(({ slug }) => slug === workspace.slug);
  if (found === undefined) throw new Error('no workspace');
  const options = { removesPasskeys: true };
  const recovered = await recoverMember(service.db.db, service.secrets, found, email, service.clock.now(), options);
  if (!recovered.ok) throw new Error('not recovered');
  const panic = { reason: 'leaked', workflow: 'no-such' } as const;
  expect(await service.client(recovered.value.printed).tokens.revokeMany(panic)).toMatchObject({ revoked: 0 });
  expect((await signIn(new PasskeyBrowser(service, pages), authenticator)).status).toBe(403);
  expect((await browser.get('/console')).status).toBe(303);
  const { data } = await service.client().auditEvents({ action: 'passkey.removed' });
  expect(data.at(-1)).toMatchObject({ actor: { type: 'host' }, data: { member: id } });
});
