import { createServer } from 'node:net';
import type { SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { createMailSender } from '../../src/http/mail-sender.js';
import { createMailTransport, type MailTransportOptions } from '../../src/http/mail-transport.js';
import type { Sender } from '../../src/http/sender.js';
import { parsePublicId } from '../../src/rules/format.js';
import { addDays } from '../../src/rules/lifetime.js';
import { noteExpiries } from '../../src/store/expiry-notices.js';
import { keepHouse } from '../../src/store/housekeeping.js';
import { makeCertificate } from '../setup/certificate.js';
import { createMailServer, type MailServer, type ReceivedMail, smtpError } from '../setup/mail-server.js';
import { send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

const DAY = 86_400;
const PASSWORD = 'correct-horse-battery';

let service: TestService;
let post: MailServer;
let serial = 0;
const closing: (() => unknown)[] = [];
beforeAll(async () => {
  post = await createMailServer();
  service = await createTestService({ mail: { settings: post.settings } });
});
afterEach(async () => {
  post.recipient = async () => {};
  post.data = async () => {};
  // What a test left on its way.
  await sendDue();
  await service.db.sql`delete from mail_deliveries`;
  post.received.length = 0;
  ahead = 0;
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await service.close();
  await post.close();
});

const lines: string[] = [];
function senderOf(options: Partial<MailTransportOptions> = {}): Sender {
  const transport = createMailTransport({ settings: post.settings, ...options });
  closing.push(() => transport.close());
  return createMailSender({
    db: () => service.db.db,
    transport,
    issuer: () => ISSUER,
    log: createLog('trace', { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream),
    now: () => later(ahead),
    random: () => 0,
  });
}
async function sendDue(sender = senderOf()) {
  await sender.pass();
  await sender.idle();
}

const later = (days: number) => addDays(service.clock.now(), days);
/** How many days the senders are ahead of the service. */
let ahead = 0;
function note(days: number): Promise<number | undefined> {
  ahead = days;
  return noteExpiries(service.db.db, later(days));
}

/** A workspace of its own, so that what others do is not told there. */
async function scene(contacts: string[] = []) {
  const owner = await service.makeWorkspace(`mails-${++serial}`);
  const client = service.client(owner.printed);
  const put = (label: string, more: string[] = contacts) =>
    client.workflows.put(label, { allowed_scopes: ['repo:*'], allowed_expiry_days: [7, 30, 90], contacts: more });
  await put('nightly');
  const join = async (role: 'admin' | 'member') => {
    const { invitation, email } = await client.members.invite({ email: `${role}@mails-${serial}.example`, role });
    const { id, token } = await service.client(null).members.accept(invitation);
    return { id, email, client: service.client(token) };
  };
  const mint = (as = client, workflow = 'nightly', name = 'deploys') =>
    as.tokens.mint({ workflow, scopes: ['repo:read'], expires_in_days: 30, name });
  const leak = (...tokens: string[]) =>
    send(service, 'POST', '/v1/leaks', {
      token: null,
      json: { tokens },
      address: `2001:db8:${(++serial).toString(16)}::1`,
    });
  const mails = async (status?: 'pending' | 'delivered' | 'dead') => (await client.mails.list({ status })).data;
  const told = (address: string) => post.received.filter(({ to }) => to.includes(address));
  return { owner, client, email: owner.member.email, put, join, mint, leak, mails, told };
}

describe('a notice of expiry', () => {
  it('goes to the owner of the token and the contacts of its workflow, and says what to do', async () => {
    const { owner, email, mint, mails } = await scene(['ops@acme.example', 'OWNER@mails-1.example']);
    const token = await mint();
    await note(24);
    await sendDue();
    expect(post.received.map(({ to }) => to.join()).sort()).toEqual(['OWNER@mails-1.example', 'ops@acme.example']);
    const [mail] = post.received.filter(({ to }) => to.join() === 'ops@acme.example');
    const [row] = (await mails()).filter(({ recipient }) => recipient === 'ops@acme.example');
    expect(mail?.from).toBe('countersign@acme.example');
    expect(Object.fromEntries(mail?.headers ?? [])).toEqual({
      from: 'Countersign <countersign@acme.example>',
      to: 'ops@acme.example',
      subject: `[countersign ${owner.workspace.slug}] a token of nightly ends within 7 days`,
      'message-id': `<${row?.id}@countersign.example>`,
      date: later(24).toUTCString().replace('GMT', '+0000'),
      'auto-submitted': 'auto-generated',
      'mime-version': '1.0',
      'content-type': 'text/plain; charset=utf-8',
      'content-transfer-encoding': expect.any(String),
    });
    for (const said of [
      token.id,
      '"deploys"',
      'workflow nightly',
      email,
      `countersign token rotate ${token.id}`,
      ISSUER,
    ]) {
      expect(mail?.text).toContain(said);
    }
    expect(mail?.raw).not.toContain(token.token.slice(27));
    expect(row).toMatchObject({ event: 'token.expiring', status: 'delivered', attempts: 1, targets: [token.id] });
  });

  it('is one mail to an address, with all tokens of the pass that have so many days left', async () => {
    const { email, client, mint, told } = await scene();
    const tokens = await Promise.all(Array.from({ length: 12 }, () => mint()));
    const ninety = await client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 90 });
    await note(24);
    await note(61);
    await sendDue();
    const [seven, thirty, ...others] = told(email);
    expect(others).toEqual([]);
    expect(seven?.headers.get('subject')).toContain('12 tokens end within 7 days');
    for (const { id } of tokens) expect(seven?.text.match(new RegExp(id, 'g'))).toHaveLength(1);
    expect([seven?.text.includes(ninety.id), thirty?.text.includes(ninety.id)]).toEqual([false, true]);
  });

  it('goes to the owners of the workspace when the owner of the token is suspended or was removed', async () => {
    const { email, client, join, mint, told } = await scene();
    const member = await join('member');
    const person = await join('admin');
    await mint(person.client);
    await client.members.suspend(person.id);
    await note(24);
    await sendDue();
    expect([told(email), told(person.email), told(member.email)].map(({ length }) => length)).toEqual([1, 0, 0]);
  });

  it('that waits is not sent to who has left since, unless a workflow names the address', async () => {
    const { client, join, mint, put, mails, told } = await scene();
    const [gone, kept] = [await join('member'), await join('admin')];
    await put('kept', [kept.email]);
    // A member mints where the workflow lets it.
    const [one, two] = [await mint(), await mint(client, 'kept')];
    await client.tokens.transfer(one.id, { owner_id: gone.id });
    await client.tokens.transfer(two.id, { owner_id: kept.id });
    await note(24);
    await client.members.remove(gone.id);
    await client.members.remove(kept.id);
    await sendDue();
    expect([told(gone.email), told(kept.email)].map(({ length }) => length)).toEqual([0, 1]);
    expect(await mails('dead')).toMatchObject([
      { recipient: gone.email, last_fault: 'the member is not with the workspace any more' },
    ]);
  });

  it('has no row where no mail is sent, and none is sent later', async () => {
    const plain = await createTestService({ database: service.database, keys: service.keys });
    const { client, mint, leak, mails } = await scene();
    const token = await mint();
    await noteExpiries(plain.db.db, later(24));
    await send(plain, 'POST', '/v1/leaks', { token: null, json: { tokens: [token.token] } });
    expect((await client.incidents.list({ token: token.id })).data).toHaveLength(1);
    expect(await mails()).toEqual([]);
    const { token: other } = await mint();
    await leak(other);
    const [mail] = await mails();
    await sendDue();
    await expect(plain.client((await scene()).owner.printed).mails.replay(mail?.id ?? '')).rejects.toMatchObject({
      status: 409,
      problem: { detail: 'this service sends no mail' },
    });
    await plain.close();
  });

  it('is taken back with the notice when its transaction fails', async () => {
    const { mint, mails } = await scene();
    await mint();
    await service.db.sql.unsafe(`create function refuse_mail() returns trigger language plpgsql as
      $$ begin raise exception 'no room'; end $$;
      create trigger refuse_mail before insert on mail_deliveries execute function refuse_mail()`);
    await expect(note(24)).rejects.toThrow();
    await service.db.sql.unsafe('drop function refuse_mail() cascade');
    await note(24);
    expect(await mails()).toHaveLength(1);
  });
});

describe('an incident', () => {
  it('is told at once to the owner, the contacts, and the owners and admins, each once', async () => {
    const { email, client, join, mint, leak, told } = await scene(['ops@acme.example']);
    const [member, admin] = [await join('member'), await join('admin')];
    const { id, token } = await mint();
    await client.tokens.transfer(id, { owner_id: member.id });
    await leak(token);
    await sendDue();
    for (const address of [email, member.email, admin.email, 'ops@acme.example']) expect(told(address)).toHaveLength(1);
    expect(post.received).toHaveLength(4);
    const [mail] = told(member.email);
    const [incident] = (await client.incidents.list({ token: id })).data;
    expect(mail?.headers.get('subject')).toContain('a token of nightly was leaked');
    expect(mail?.text).toContain(`countersign incident show ${incident?.id}`);
    expect(mail?.text).toContain('1 token revoked');
    expect(mail?.raw).not.toContain(token.slice(27));
    // The dead secret is used: that is an incident of its own.
    service.clock.advance(120);
    await service
      .client(token)
      .me()
      .catch(() => undefined);
    await sendDue();
    expect(told(member.email).at(-1)?.headers.get('subject')).toContain('a dead token of nightly was used');
  });

  it('that follows another within a minute waits, and comes with its like in one mail', async () => {
    const { email, mint, leak, mails, told } = await scene();
    await leak((await mint()).token);
    await sendDue();
    const tokens = await Promise.all(Array.from({ length: 55 }, () => mint()));
    await leak(...tokens.map(({ token }) => token));
    await sendDue();
    expect(told(email)).toHaveLength(1);
    expect(await mails('pending')).toMatchObject([{ subject: expect.stringContaining('55 incidents') }]);
    service.clock.advance(61);
    await sendDue();
    const [, second, ...others] = told(email);
    expect(others).toEqual([]);
    expect(second?.text).toContain('And 5 more: countersign incident list');
    expect(second?.text.match(/countersign incident show inc_/g)).toHaveLength(50);
  });
});

describe('what somebody named', () => {
  it.each([
    ['a header', 'x\r\nBcc: all@evil.example\r\n\r\nhello', '"xBcc: all@evil[.]examplehello"'],
    ['a line', 'x\n.\nMAIL FROM:<evil@evil.example>', 'evil[.]example'],
    ['another order', 'a\u202egpj.evil\u2066b\u200bc', '"agpj[.]evilbc"'],
    [
      'a link',
      'see https://evil.example/login or www.evil。example',
      'see https[:]//evil[.]example/login or www[.]evil[。]example',
    ],
    ['an encoded word', '=?utf-8?q?Subject=3A_hi?=', '"=?utf-8?q?Subject=3A_hi?="'],
    ['many letters', '部署 déploiement 🦊', '"部署 déploiement 🦊"'],
  ])('makes no header and no link: %s', async (_, name, shown) => {
    const { email, mint, told } = await scene();
    const { id } = await mint();
    await service.db.sql`update tokens set name = ${name} where id = ${String(parsePublicId('tok', id))}`;
    await note(24);
    await sendDue();
    const [mail] = told(email);
    expect(post.received).toHaveLength(1);
    expect([...(mail?.headers.keys() ?? [])]).not.toContain('bcc');
    expect(mail?.headers.get('subject')).toMatch(/^[\x20-\x7e]+$/);
    expect(mail?.text).toContain(shown);
    expect(mail?.text.split('\r\n\r\n')[0]).not.toMatch(/^(Bcc|MAIL)/m);
  });
});

describe('a mail server', () => {
  const certificate = makeCertificate();
  const withLogin: SMTPServerOptions = {
    ...certificate,
    authOptional: false,
    onAuth: ({ username, password }, session, callback) => {
      seen.push({ isSecure: session.secure, password });
      if (username === 'countersign' && password === PASSWORD) callback(null, { user: username });
      else callback(smtpError(535, `no: ${password}`));
    },
  };
  const seen: unknown[] = [];
  const login = { user: 'countersign', passwordSecret: PASSWORD };

  async function serverOf(options: SMTPServerOptions, settings: Partial<MailServer['settings']>) {
    const server = await createMailServer(options, settings);
    closing.push(() => server.close());
    seen.length = 0;
    return server;
  }

  it.each([
    ['STARTTLS', {}, 'required'],
    ['TLS from the start', { secure: true }, 'at-once'],
  ] as const)('gets the login over %s alone', async (_, options, tls) => {
    const server = await serverOf({ ...withLogin, ...options }, { tls, login });
    const { mint } = await scene();
    await mint();
    await note(24);
    await sendDue(senderOf({ settings: server.settings, ca: certificate.cert }));
    expect(server.received).toMatchObject([{ isSecure: true, user: 'countersign' }]);
    expect(seen).toEqual([{ isSecure: true, password: PASSWORD }]);
  });

  it.each([
    [
      'whose STARTTLS was taken away',
      { disabledCommands: ['STARTTLS'], allowInsecureAuth: true },
      'required',
      certificate.cert,
      PASSWORD,
    ],
    ['whose certificate nobody vouches for', {}, 'required', undefined, PASSWORD],
    ['whose certificate nobody vouches for, from the start', { secure: true }, 'at-once', undefined, PASSWORD],
    ['that refuses the login', {}, 'required', certificate.cert, 'wrong-horse'],
  ] as const)('%s gets no mail, and it waits', async (_, options, tls, ca, passwordSecret) => {
    const settings = { tls, login: { ...login, passwordSecret } };
    const server = await serverOf(
      {
        ...withLogin,
        ...options,
        disabledCommands: [...('disabledCommands' in options ? options.disabledCommands : [])],
      },
      settings,
    );
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    await sendDue(senderOf({ settings: server.settings, ...(ca === undefined ? {} : { ca }) }));
    expect(server.received).toEqual([]);
    expect(seen.every((one) => (one as { isSecure: boolean }).isSecure)).toBe(true);
    expect(await mails()).toMatchObject([
      { status: 'pending', attempts: 1, last_fault: 'the mail server did not take it' },
    ]);
    expect(lines.join()).not.toContain(passwordSecret);
    expect(lines.join()).not.toContain(Buffer.from(`\0countersign\0${passwordSecret}`).toString('base64'));
  });

  it('that is busy is asked again, with the same mail', async () => {
    const { mint, mails, client } = await scene();
    await mint();
    await note(24);
    post.recipient = () => Promise.reject(smtpError(450, 'internal-host busy'));
    await sendDue();
    expect(await mails()).toMatchObject([
      { status: 'pending', attempts: 1, last_fault: 'the mail server answered 450' },
    ]);
    post.recipient = async () => {};
    post.data = () => Promise.reject(smtpError(451));
    service.clock.advance(31);
    await sendDue();
    post.data = async () => {};
    service.clock.advance(301);
    await sendDue();
    expect(await mails()).toMatchObject([{ status: 'delivered', attempts: 3, last_fault: null }]);
    const [first, second] = post.received;
    expect([first?.headers, first?.text]).toEqual([second?.headers, second?.text]);
    expect(JSON.stringify(await client.mails.list())).not.toContain('internal-host');
  });

  it.each([
    ['the recipient', 'recipient', 550],
    ['the message', 'data', 554],
  ] as const)('that refuses %s for good is not asked again, until somebody says so', async (_, hook, code) => {
    const { client, mint, mails, told, email } = await scene();
    await mint();
    await note(24);
    post[hook] = () => Promise.reject(smtpError(code, 'internal-host says no'));
    await sendDue();
    const [dead] = await mails('dead');
    expect(dead).toMatchObject({ attempts: 1, last_fault: `the mail server answered ${code}`, next_attempt_at: null });
    post[hook] = async () => {};
    service.clock.advance(31);
    await sendDue();
    const before = told(email).length;
    expect(await client.mails.replay(dead?.id ?? '')).toMatchObject({ status: 'pending', attempts: 0 });
    await expect(client.mails.replay(dead?.id ?? '')).rejects.toMatchObject({ status: 409 });
    await sendDue();
    expect(told(email)).toHaveLength(before + 1);
    expect(await mails('delivered')).toHaveLength(1);
    const [event] = (await client.auditEvents({ target: dead?.id ?? '' })).data;
    expect(event).toMatchObject({ action: 'mail.replayed', data: { event: 'token.expiring' } });
  });

  it('that refuses the sender has said nothing of the mail, which waits', async () => {
    const server = await serverOf({ onMailFrom: (_address, _session, callback) => callback(smtpError(550)) }, {});
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    await sendDue(senderOf({ settings: server.settings }));
    expect(await mails()).toMatchObject([{ status: 'pending', last_fault: 'the mail server did not take it' }]);
  });

  it('that is away has nine attempts within three days; then the mail is dead', async () => {
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    const sender = senderOf({ settings: { ...post.settings, port: await freePort() } });
    const began = service.clock.now().getTime();
    for (let [mail] = await mails('pending'); mail !== undefined; [mail] = await mails('pending')) {
      const wait = Date.parse(mail.next_attempt_at ?? '') - later(ahead).getTime();
      service.clock.advance(Math.max(wait, 0) / 1000);
      await sendDue(sender);
    }
    expect(await mails('dead')).toMatchObject([{ attempts: 9, last_fault: 'the mail server did not take it' }]);
    expect(service.clock.now().getTime() - began).toBeLessThan(3 * DAY * 1000);
  });

  it('that cuts the connection once it has the mail may get it twice, with one Message-ID', async () => {
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    post.data = async () => post.cut();
    await sendDue();
    expect(await mails()).toMatchObject([{ status: 'pending', attempts: 1 }]);
    post.data = async () => {};
    service.clock.advance(31);
    await sendDue();
    expect(await mails()).toMatchObject([{ status: 'delivered', attempts: 2 }]);
    expect(post.received).toHaveLength(2);
    expect(new Set(post.received.map(({ headers }) => headers.get('message-id'))).size).toBe(1);
  });

  it('that never comes to the end of its answer is given up', async () => {
    const silent = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('220 hello\r\n');
      socket.on('data', () => socket.write('250-'));
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => silent.close(resolve)));
    const address = silent.address();
    const port = address === null || typeof address === 'string' ? 0 : address.port;
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    await sendDue(senderOf({ settings: { ...post.settings, port }, stepMs: 100 }));
    expect(await mails()).toMatchObject([{ status: 'pending', last_fault: 'the mail server did not take it' }]);
  });

  it('that is slow gets five mails at a time, one of each address', async () => {
    const { mint, put } = await scene(['one@slow.example', 'two@slow.example']);
    await put('more', ['three@slow.example', 'four@slow.example', 'five@slow.example', 'six@slow.example']);
    await mint();
    await mint(undefined, 'more');
    await note(24);
    const waiting: (() => void)[] = [];
    post.recipient = () => new Promise((resolve) => waiting.push(resolve));
    const sender = senderOf();
    await sender.pass();
    await vi.waitFor(() => expect(waiting).toHaveLength(5), 5_000);
    await sender.pass();
    expect(waiting).toHaveLength(5);
    post.recipient = async () => {};
    for (const go of waiting) go();
    await sender.idle();
    expect(post.received).toHaveLength(7);
  });
});

describe('several nodes', () => {
  it('send each mail once', async () => {
    const { mint, put } = await scene();
    for (let n = 0; n < 10; n += 1) {
      await put(`flow-${n}`, [`contact-${n}@acme.example`]);
      await mint(undefined, `flow-${n}`);
    }
    await note(24);
    await Promise.all(Array.from({ length: 4 }, () => sendDue(senderOf())));
    const ids = post.received.map(({ headers }) => headers.get('message-id'));
    expect(ids).toHaveLength(11);
    expect(new Set(ids).size).toBe(11);
  });

  it('send what one of them took and died over', async () => {
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    const until = later(24).getTime() + 60_000;
    await service.db.sql`update mail_deliveries set attempts = 1, next_attempt_at = ${new Date(until).toISOString()}`;
    service.clock.advance(61);
    await sendDue();
    expect(await mails()).toMatchObject([{ status: 'delivered', attempts: 2 }]);
  });
});

describe('the service', () => {
  it('notes and sends by itself, and tells how that went', async () => {
    const running = await createTestService({ mail: { settings: post.settings }, notifyEveryMs: 20 });
    await running.makeWorkflow('nightly', { allowed_scopes: ['repo:*'], contacts: ['ops@running.example'] });
    const { id } = await running
      .client()
      .tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30 });
    running.clock.advance(24 * DAY);
    const came = (address: string): ReceivedMail[] => post.received.filter(({ to }) => to.includes(address));
    await vi.waitFor(() => expect(came('ops@running.example')).toHaveLength(1), 5_000);
    await vi.waitFor(() => expect(came(running.owner.member.email)).toHaveLength(1), 5_000);
    expect(came('ops@running.example')[0]?.text).toContain(id);
    await vi.waitFor(async () => {
      const { text } = await send(running, 'GET', '/metrics', { token: null });
      expect(text).toContain('countersign_mail_attempts_total{outcome="delivered"} 2');
    }, 5_000);
    await running.close();
  });

  it('forgets mails after 30 days', async () => {
    const { mint, mails } = await scene();
    await mint();
    await note(24);
    const made = later(ahead).getTime();
    await keepHouse(service.db.sql, new Date(made + 29 * DAY * 1000));
    expect(await mails()).toHaveLength(1);
    await keepHouse(service.db.sql, new Date(made + 31 * DAY * 1000));
    expect(await mails()).toEqual([]);
  });
});

async function freePort(): Promise<number> {
  const server = await createMailServer();
  await server.close();
  return server.settings.port;
}
