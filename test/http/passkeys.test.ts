import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId, parseToken } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { startSession } from '../../src/store/sessions.js';
import { Authenticator, type Options } from '../setup/authenticator.js';
import { PasskeyBrowser } from '../setup/passkey-browser.js';
import { addByLink, askForLink, givePasskey, signedInBrowser, signIn, stepUp } from '../setup/passkeys.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const browse = () => new PasskeyBrowser(service, ISSUER);
const SESSION = '__Host-countersign';

async function passkeysOf(token: string): Promise<Record<string, unknown>[]> {
  const { body } = await send(service, 'GET', '/v1/passkeys', { token });
  return body['data'] as Record<string, unknown>[];
}

async function eventsOf(action: string): Promise<readonly { data: Record<string, unknown> }[]> {
  return (await service.client().auditEvents({ action, limit: 200 })).data;
}

async function whoIs(browser: PasskeyBrowser): Promise<string | undefined> {
  const id = parseToken(browser.cookies.get(SESSION) ?? '')?.id ?? null;
  const [row] = await service.db.sql`select m.email from sessions s
    join members m on m.workspace_id = s.workspace_id and m.id = s.member_id where s.id = ${id}`;
  return row && String(row['email']);
}

const uuidOf = (id: string) => parsePublicId('mem', id) ?? null;

/** Does something whose token or session is good when the request arrives, and has ended by the time that it acts. */
async function whileRevoked(memberId: string, act: () => Promise<Answered>): Promise<Answered> {
  const { sql } = service.db;
  const answer = await sql.begin(async (tx) => {
    await tx`select 1 from workspaces for update`;
    const acting = act();
    const deadline = Date.now() + 20_000;
    for (let isHeld = false; !isHeld; ) {
      if (Date.now() > deadline) throw new Error('it does not wait for the workspace');
      const rows = await sql`
        select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      isHeld = rows.length > 0;
    }
    await tx`update tokens set revoked_at = now() where creator_id = ${uuidOf(memberId)}`;
    await tx`update sessions set ended_at = now() where member_id = ${uuidOf(memberId)}`;
    return { acting };
  });
  return answer.acting;
}

describe('adding a passkey', () => {
  test('by a link that the person’s token asks for; it is on record and listed', async () => {
    const { id, token } = await service.makeMember('member');
    const link = await askForLink(service, token, 'laptop');
    const added = await addByLink(browse(), link, new Authenticator(ISSUER));
    expect([added.status, added.body]).toEqual([200, { name: 'laptop' }]);
    expect(await passkeysOf(token)).toMatchObject([{ name: 'laptop', member_id: id, last_used_at: null }]);
    const [event] = (await eventsOf('passkey.added')).slice(-1);
    expect(event?.data).toMatchObject({ member: id, name: 'laptop' });
  });

  test('asks for one that finds its person by itself, behind a verification, and nothing about the device', async () => {
    const { token } = await service.makeMember('member');
    const asked = await browse().call('/console/passkeys/add/options', { link: await askForLink(service, token) });
    expect(asked.body).toMatchObject({
      name: 'passkey',
      options: {
        rp: { id: 'countersign.example' },
        attestation: 'none',
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        excludeCredentials: [],
        pubKeyCredParams: [{ alg: -7 }, { alg: -8 }, { alg: -257 }],
      },
    });
  });

  test('is done on a page whose script alone runs, by its hash, and whose link is not sent', async () => {
    const page = await browse().get('/console/passkeys/add');
    expect(page.status).toBe(200);
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'sha256-[^']+'/);
    expect(page.text).not.toMatch(/ on[a-z]+=/);
    const { token } = await service.makeMember('member');
    const answer = await send(service, 'POST', '/v1/passkeys/registrations', { token, json: {} });
    expect(String(answer.body['url'])).toMatch(/^https:\/\/countersign\.example\/console\/passkeys\/add#/);
  });

  test('takes ES256, EdDSA and RS256 keys, which then sign in', async () => {
    for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
      const { token } = await service.makeMember('member');
      const authenticator = await givePasskey(service, token, {
        authenticator: new Authenticator(ISSUER, { algorithm }),
      });
      expect([algorithm, (await signIn(browse(), authenticator)).status]).toEqual([algorithm, 200]);
    }
  });

  test('is refused for what is not made here, now, by somebody who was verified', async () => {
    const { token } = await service.makeMember('member');
    const link = await askForLink(service, token);
    const cases: Record<string, Parameters<Authenticator['create']>[1]> = {
      'another origin': { origin: 'https://countersign.example.evil.example' },
      'another port': { origin: `${ISSUER}:8443` },
      'another relying party': { rpId: 'example' },
      'another challenge': { challenge: randomBytes(32).toString('base64url') },
      'a proof instead': { type: 'webauthn.get' },
      'in a frame of another site': { crossOrigin: true },
      'nobody there': { isPresent: false },
      'nobody verified': { isVerified: false },
      'a statement with certificates': {
        fmt: 'packed',
        statement: new Map<string, never>([
          ['alg', -7 as never],
          ['sig', Buffer.alloc(64) as never],
          ['x5c', [Buffer.alloc(100)] as never],
        ]),
      },
      'a statement of a model': { fmt: 'tpm' },
    };
    for (const [name, wrong] of Object.entries(cases)) {
      expect([name, (await addByLink(browse(), link, new Authenticator(ISSUER), wrong)).status]).toEqual([name, 403]);
    }
    expect(await passkeysOf(token)).toEqual([]);
    // The link was used up by none of them.
    expect((await addByLink(browse(), link, new Authenticator(ISSUER))).status).toBe(200);
  });

  test('uses its link up: of two who come by it one adds', async () => {
    const { token } = await service.makeMember('member');
    const link = await askForLink(service, token);
    const race = await Promise.all(
      Array.from({ length: 5 }, () => addByLink(browse(), link, new Authenticator(ISSUER))),
    );
    expect(race.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await passkeysOf(token)).toHaveLength(1);
    // Told before an authenticator makes another one for nothing.
    expect((await browse().call('/console/passkeys/add/options', { link })).status).toBe(403);
  });

  test('ends with its link after ten minutes, and at once with the token or the person behind it', async () => {
    const { token } = await service.makeMember('member');
    const old = await askForLink(service, token);
    service.clock.advance(600);
    expect((await addByLink(browse(), old, new Authenticator(ISSUER))).status).toBe(403);

    const fresh = await askForLink(service, token);
    await service.client(null).revoke(token);
    expect((await addByLink(browse(), fresh, new Authenticator(ISSUER))).status).toBe(403);

    const person = await service.makeMember('member');
    const theirs = await askForLink(service, person.token);
    await service.client().members.suspend(person.id);
    expect((await addByLink(browse(), theirs, new Authenticator(ISSUER))).status).toBe(403);
  });

  test('is not done behind a confirmed revocation of the token that asked for the link', async () => {
    const { id, token } = await service.makeMember('member');
    const link = await askForLink(service, token);
    const added = await whileRevoked(id, () => addByLink(browse(), link, new Authenticator(ISSUER)));
    expect(added.status).toBe(403);
    expect(await service.db.sql`select 1 from passkeys where member_id = ${uuidOf(id)}`).toHaveLength(0);
  });

  test('needs a confirmation beside others, also by a link from before there was one', async () => {
    const { token } = await service.makeMember('member');
    const [early, link] = [await askForLink(service, token), await askForLink(service, token)];
    const first = new Authenticator(ISSUER);
    expect((await addByLink(browse(), link, first)).status).toBe(200);
    expect((await addByLink(browse(), early, new Authenticator(ISSUER))).status).toBe(403);
    const refused = await send(service, 'POST', '/v1/passkeys/registrations', { token, json: {} });
    expect(refused.body['type']).toBe(`${ISSUER}/problems/step-up-required`);
    await stepUp(service, token, first);
    await givePasskey(service, token, { name: 'second' });
    expect(await passkeysOf(token)).toHaveLength(2);
  });

  test('is for a token that a person signed in with, and for nobody else’s passkeys', async () => {
    const { token } = await service.seedToken({ scopes: ['workspace:admin'] });
    expect((await send(service, 'POST', '/v1/passkeys/registrations', { token, json: {} })).status).toBe(403);
  });

  test('takes a credential once, whoever brings it', async () => {
    const one = await service.makeMember('member');
    const authenticator = await givePasskey(service, one.token);
    const other = await service.makeMember('member');
    const link = await askForLink(service, other.token);
    expect((await addByLink(browse(), link, authenticator)).status).toBe(409);
  });

  test('needs it also by a link whose page was open when the first one came', async () => {
    const { token } = await service.makeMember('member');
    const [early, link] = [await askForLink(service, token), await askForLink(service, token)];
    const open = browse();
    const asked = await open.call('/console/passkeys/add/options', { link: early });
    expect((await addByLink(browse(), link, new Authenticator(ISSUER))).status).toBe(200);
    const credential = new Authenticator(ISSUER).create(asked.body['options'] as Options);
    expect((await open.call('/console/passkeys/add', { link: early, credential })).status).toBe(403);
    expect(await passkeysOf(token)).toHaveLength(1);
  });

  test('takes no link for a challenge, no challenge for a link, and none that was changed', async () => {
    const { token } = await service.makeMember('member');
    const link = await askForLink(service, token);
    const browser = browse();
    const asked = await browser.call('/console/passkeys/add/options', { link });
    const challenge = browser.cookies.get('__Host-countersign-challenge') ?? '';
    expect((await browse().call('/console/passkeys/add/options', { link: challenge })).status).toBe(403);
    const changed = `${link.slice(0, -8)}${link.endsWith('A') ? 'B' : 'A'}${link.slice(-7)}`;
    expect((await browse().call('/console/passkeys/add/options', { link: changed })).status).toBe(403);
    browser.cookies.set('__Host-countersign-challenge', link);
    const credential = new Authenticator(ISSUER).create(asked.body['options'] as Options);
    expect((await browser.call('/console/passkeys/add', { link, credential })).status).toBe(403);
  });

  test('is not done for another browser’s challenge, nor twice for one', async () => {
    const { token } = await service.makeMember('member');
    const link = await askForLink(service, token);
    const [mine, other] = [browse(), browse()];
    const asked = await mine.call('/console/passkeys/add/options', { link });
    await other.call('/console/passkeys/add/options', { link });
    const credential = new Authenticator(ISSUER).create(asked.body['options'] as Options);
    expect((await other.call('/console/passkeys/add', { link, credential })).status).toBe(403);
    expect((await browse().call('/console/passkeys/add', { link, credential })).status).toBe(403);
    expect((await mine.call('/console/passkeys/add', { link, credential })).status).toBe(200);
    const kept = browse();
    for (const [name, value] of mine.cookies) kept.cookies.set(name, value);
    expect((await kept.call('/console/passkeys/add', { link, credential })).status).toBe(403);
  });
});

describe('adding a passkey on the console', () => {
  async function begin(browser: PasskeyBrowser): Promise<Answered> {
    const form_token = /name="form_token" value="([^"]+)"/.exec((await browser.get('/console')).text)?.[1] ?? '';
    return browser.submit('/console/passkeys', { form_token });
  }
  const linkOf = ({ headers }: Answered) => new URL(String(headers.get('location'))).hash.slice(1);

  test('is done by somebody whom a passkey has signed in within five minutes, and ends with the session', async () => {
    const { token } = await service.makeMember('member');
    const authenticator = await givePasskey(service, token);
    const browser = await signedInBrowser(service, authenticator);
    service.clock.advance(299);
    const begun = await begin(browser);
    expect(begun.status).toBe(303);
    const unused = linkOf(await begin(browser));
    service.clock.advance(1);
    expect((await begin(browser)).status).toBe(403);
    expect((await addByLink(browser, linkOf(begun), new Authenticator(ISSUER))).status).toBe(200);
    expect(await passkeysOf(token)).toHaveLength(2);
    expect((await eventsOf('passkey.added')).at(-1)?.data['via']).toMatch(/^ses_/);
    await signIn(browser, authenticator);
    expect((await addByLink(browse(), unused, new Authenticator(ISSUER))).status).toBe(403);
  });

  test('is not done behind the confirmed end of the session', async () => {
    const { id, token } = await service.makeMember('member');
    const browser = await signedInBrowser(service, await givePasskey(service, token));
    const link = linkOf(await begin(browser));
    const added = await whileRevoked(id, () => addByLink(browse(), link, new Authenticator(ISSUER)));
    expect(added.status).toBe(403);
    expect(await service.db.sql`select 1 from passkeys where member_id = ${uuidOf(id)}`).toHaveLength(1);
  });

  test('is the first one’s way in for who signed in elsewhere, not a second one’s', async () => {
    const { id, token } = await service.makeMember('member');
    const browser = browse();
    const workspaceId = service.owner.workspace.id;
    const memberId = parsePublicId('mem', id);
    if (memberId === undefined) throw new Error('malformed');
    const draft = { workspaceId, memberId, method: 'oidc' } as const;
    const origin = { actorType: 'system', actorId: 'test' } as const;
    const now = service.clock.now();
    const { printed } = await inTransaction(service.db.db, (tx) =>
      startSession(tx, service.secrets, draft, origin, now),
    );
    browser.cookies.set(SESSION, printed);
    const begun = await begin(browser);
    expect((await addByLink(browser, linkOf(begun), new Authenticator(ISSUER))).status).toBe(200);
    expect((await begin(browser)).status).toBe(403);
    expect(await passkeysOf(token)).toHaveLength(1);
  });

  test('is not begun by another site, nor without the form token', async () => {
    const { token } = await service.makeMember('member');
    const browser = await signedInBrowser(service, await givePasskey(service, token));
    expect((await browser.submit('/console/passkeys', {})).status).toBe(403);
    const evil = { origin: 'https://evil.example' };
    const form_token = /name="form_token" value="([^"]+)"/.exec((await browser.get('/console')).text)?.[1] ?? '';
    expect((await browser.submit('/console/passkeys', { form_token }, evil)).status).toBe(403);
    expect((await browse().submit('/console/passkeys', { form_token })).status).toBe(303);
  });
});

describe('signing in with a passkey', () => {
  let token: string;
  let authenticator: Authenticator;
  let id: string;
  beforeAll(async () => {
    ({ token, id } = await service.makeMember('member'));
    authenticator = await givePasskey(service, token);
  });

  test('starts a session of its person, and is on record', async () => {
    const browser = browse();
    const answer = await signIn(browser, authenticator, { returnTo: '/console/device' });
    expect(answer.body).toEqual({ location: '/console/device' });
    expect(await whoIs(browser)).toBe((await service.client(token).me()).email);
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith(`${SESSION}=`));
    expect(cookie).toMatch(/; Path=\/; Secure; HttpOnly; SameSite=Lax; /);
    expect((await passkeysOf(token))[0]?.['last_used_at']).not.toBeNull();
  });

  test('leads to pages of this service alone', async () => {
    for (const returnTo of [
      '//evil.example',
      'https://evil.example',
      '/\\evil.example',
      '/v1/me',
      'javascript:alert(1)',
    ]) {
      const { body } = await signIn(browse(), authenticator, { returnTo });
      expect([returnTo, body]).toEqual([returnTo, { location: '/console' }]);
    }
  });

  test('always starts a new session, and ends the one of the same browser', async () => {
    const browser = await signedInBrowser(service, authenticator);
    const before = browser.cookies.get(SESSION);
    await signIn(browser, authenticator);
    expect(browser.cookies.get(SESSION)).not.toBe(before);
    const old = browse();
    old.cookies.set(SESSION, before ?? '');
    expect((await old.get(`/console/step-up/stp_${'0'.repeat(22)}`)).status).toBe(303);
  });

  test('is refused for a proof of another origin, relying party, challenge, kind or key, and of nobody verified', async () => {
    const cases: Record<string, Parameters<typeof signIn>[2]> = {
      'another origin': { origin: 'https://evil.example' },
      'another relying party': { rpId: 'evil.example' },
      'another challenge': { challenge: randomBytes(32).toString('base64url') },
      'a registration instead': { type: 'webauthn.create' },
      'in a frame of another site': { crossOrigin: true },
      'nobody there': { isPresent: false },
      'nobody verified': { isVerified: false },
      'another key': { forges: true },
      'no person named': { userHandle: null },
      'another person named': { userHandle: randomBytes(16).toString('base64url') },
    };
    const answers: Answered[] = [];
    for (const [name, wrong] of Object.entries(cases)) {
      const browser = browse();
      const answer = await signIn(browser, authenticator, wrong);
      expect([name, answer.status, browser.cookies.has(SESSION)]).toEqual([name, 403, false]);
      answers.push(answer);
    }
    // A passkey that nobody knows is told from none of them.
    answers.push(await signIn(browse(), new Authenticator(ISSUER)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`))).toHaveLength(1);
  });

  test('takes a proof once, and from the browser alone that asked for it', async () => {
    const browser = browse();
    const options = (await browser.call('/console/sign-in/passkey/options', {})).body as unknown as Options;
    const credential = authenticator.get(options);
    const other = browse();
    await other.call('/console/sign-in/passkey/options', {});
    expect((await other.call('/console/sign-in/passkey', { credential })).status).toBe(403);
    const copy = browse();
    for (const [name, value] of browser.cookies) copy.cookies.set(name, value);
    const race = await Promise.all([browser, copy].map((one) => one.call('/console/sign-in/passkey', { credential })));
    expect(race.map(({ status }) => status).sort()).toEqual([200, 403]);
  });

  test('waits five minutes for the proof', async () => {
    const browser = browse();
    const options = (await browser.call('/console/sign-in/passkey/options', {})).body as unknown as Options;
    service.clock.advance(300);
    const answer = await browser.call('/console/sign-in/passkey', { credential: authenticator.get(options) });
    expect(answer.status).toBe(403);
  });

  test('is refused to other sites, and to what does not say where it comes from', async () => {
    const options = (await browse().call('/console/sign-in/passkey/options', {})).body as unknown as Options;
    const credential = authenticator.get(options);
    const paths = { '/console/sign-in/passkey/options': {}, '/console/sign-in/passkey': { credential } };
    for (const [path, json] of Object.entries(paths)) {
      for (const headers of [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { 'sec-fetch-site': 'cross-site' },
      ]) {
        const from = 'origin' in headers ? headers : { ...headers, accept: '*/*' };
        expect((await send(service, 'POST', path, { token: null, json, headers: from })).status).toBe(403);
      }
      const form = 'a=b';
      const posted = await send(service, 'POST', path, { token: null, form, headers: { origin: ISSUER } });
      expect(posted.status).toBe(415);
    }
  });

  test('refuses a counter that goes back, which shows a copy, and puts it on record', async () => {
    const person = await service.makeMember('member');
    const counting = await givePasskey(service, person.token, {
      authenticator: new Authenticator(ISSUER, { counter: 7 }),
    });
    expect((await signIn(browse(), counting)).status).toBe(200);
    expect((await signIn(browse(), counting, { counter: 8 })).status).toBe(403);
    expect((await signIn(browse(), counting, { counter: 0 })).status).toBe(403);
    const events = (await eventsOf('passkey.cloned')).filter(({ data }) => data['member'] === person.id);
    expect(events.map(({ data }) => [data['before'], data['counter']])).toEqual([
      [8, 8],
      [8, 0],
    ]);
    // A counter that nobody signed says nothing.
    expect((await signIn(browse(), counting, { counter: 1, forges: true })).status).toBe(403);
    expect((await eventsOf('passkey.cloned')).filter(({ data }) => data['member'] === person.id)).toHaveLength(2);
    expect((await signIn(browse(), counting, { counter: 20 })).status).toBe(200);
  });

  test('is refused to who is suspended or removed, and a passkey of before does not come back with its person', async () => {
    const person = await service.makeMember('member');
    const theirs = await givePasskey(service, person.token);
    const { email } = await service.client(person.token).me();
    await service.client().members.suspend(person.id);
    expect((await signIn(browse(), theirs)).status).toBe(403);
    await service.client().members.reactivate(person.id);
    expect((await signIn(browse(), theirs)).status).toBe(200);
    await service.client().members.remove(person.id);
    const { invitation } = await service.client().members.invite({ email, role: 'member' });
    const again = await service.client(null).members.accept(invitation);
    expect((await signIn(browse(), theirs)).status).toBe(403);
    expect(await passkeysOf(again.token)).toEqual([]);
  });

  test('does not open /v1: no endpoint there takes the cookie', async () => {
    const browser = await signedInBrowser(service, authenticator);
    expect((await browser.get('/v1/passkeys')).status).toBe(401);
    expect(id).toMatch(/^mem_/);
  });
});

describe('a person’s passkeys', () => {
  test('are listed for themselves, and for others with members:read', async () => {
    const person = await service.makeMember('member');
    await givePasskey(service, person.token, { name: 'phone' });
    const auditor = await service.makeMember('auditor');
    const other = await service.makeMember('member');
    const ask = (token: string) => send(service, 'GET', `/v1/passkeys?member=${person.id}`, { token });
    expect((await ask(person.token)).body['data']).toHaveLength(1);
    expect((await ask(auditor.token)).body['data']).toHaveLength(1);
    expect((await ask(other.token)).status).toBe(403);
    const foreign = await service.makeWorkspace(`foreign-${randomBytes(4).toString('hex')}`);
    expect((await ask(foreign.printed)).body['data']).toEqual([]);
    const job = await service.seedToken({ scopes: ['repo:read'] });
    expect((await send(service, 'GET', '/v1/passkeys', { token: job.token })).status).toBe(403);
    expect(JSON.stringify((await ask(auditor.token)).body)).not.toMatch(/credential|public_?key|counter/i);
  });

  test('are removed by themselves after a confirmation, and by who manages them', async () => {
    const person = await service.makeMember('member');
    const authenticator = await givePasskey(service, person.token);
    const [passkey] = await passkeysOf(person.token);
    const path = `/v1/passkeys/${passkey?.['id']}`;
    expect((await send(service, 'DELETE', path, { token: person.token })).body['type']).toMatch(/step-up-required$/);
    const other = await service.makeMember('member');
    expect((await send(service, 'DELETE', path, { token: other.token })).status).toBe(404);
    const foreign = await service.makeWorkspace(`foreign-${randomBytes(4).toString('hex')}`);
    expect((await send(service, 'DELETE', path, { token: foreign.printed })).status).toBe(404);
    await stepUp(service, person.token, authenticator);
    expect((await send(service, 'DELETE', path, { token: person.token })).status).toBe(204);
    expect((await send(service, 'DELETE', path, { token: person.token })).status).toBe(404);
    expect((await signIn(browse(), authenticator)).status).toBe(403);

    await givePasskey(service, person.token);
    const [next] = await passkeysOf(person.token);
    expect((await send(service, 'DELETE', `/v1/passkeys/${next?.['id']}`)).status).toBe(204);
    const removed = (await eventsOf('passkey.removed')).filter(({ data }) => data['member'] === person.id);
    expect(removed).toHaveLength(2);

    const owner = await service.makeMember('owner');
    await givePasskey(service, owner.token);
    const [owners] = await passkeysOf(owner.token);
    const admin = await service.makeMember('admin');
    expect((await send(service, 'DELETE', `/v1/passkeys/${owners?.['id']}`, { token: admin.token })).status).toBe(403);
  });

  test('take along what may rest on them: sessions, and what was confirmed for other tokens', async () => {
    const person = await service.makeMember('owner');
    const authenticator = await givePasskey(service, person.token);
    await stepUp(service, person.token, authenticator);
    await givePasskey(service, person.token, { name: 'kept' });
    const { token: other } = await service.client(person.token).tokens.rotate('self');
    await stepUp(service, other, authenticator);
    const thief = await signedInBrowser(service, authenticator);
    const mine = await signedInBrowser(service, authenticator);
    const approvedIn = parseToken(mine.cookies.get(SESSION) ?? '')?.id ?? null;
    const asking = parseToken(person.token)?.id ?? null;
    await service.db.sql`update tokens set session_id = ${approvedIn} where id = ${asking}`;
    const [lost] = await passkeysOf(person.token);
    const gone = await send(service, 'DELETE', `/v1/passkeys/${lost?.['id']}`, { token: person.token });
    expect(gone.status).toBe(204);
    expect([(await thief.get('/console')).status, (await mine.get('/console')).status]).toEqual([303, 200]);
    const danger = { json: { reason: 'leaked', workflow: 'no-such-workflow' } };
    expect((await send(service, 'POST', '/v1/revocations', { token: other, ...danger })).status).toBe(401);
    expect((await send(service, 'POST', '/v1/revocations', { token: person.token, ...danger })).status).toBe(200);
  });

  test('are not removed behind a confirmed revocation of the token that asks', async () => {
    const person = await service.makeMember('member');
    await givePasskey(service, person.token);
    const [passkey] = await passkeysOf(person.token);
    const admin = await service.makeMember('admin');
    const path = `/v1/passkeys/${passkey?.['id']}`;
    const removed = await whileRevoked(admin.id, () => send(service, 'DELETE', path, { token: admin.token }));
    expect(removed.status).toBe(401);
    expect(await passkeysOf(person.token)).toHaveLength(1);
  });
});
