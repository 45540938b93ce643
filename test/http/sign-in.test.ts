import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProviderSettings } from '../../src/rules/sign-in.js';
import { locationOf, openBrowser } from '../setup/browser.js';
import { freePort } from '../setup/free-port.js';
import { type RunningProvider, signInAs, startOidcProvider } from '../setup/oidc-provider.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

const COOKIE = '__Host-countersign';
let provider: RunningProvider;
let service: TestService;
beforeAll(async () => {
  provider = await startOidcProvider({ pages: ISSUER, people: {} });
  service = await createTestService({ oidc: provider.settings() });
});
afterAll(async () => {
  await service.close();
  await provider.stop();
});

let serial = 0;
/** Somebody whom the provider knows, with a verified address of their own. */
function person(more: Record<string, unknown> = {}) {
  serial += 1;
  const subject = `person-${serial}`;
  const email = `${subject}@acme.example`;
  provider.people[subject] = { email, email_verified: true, name: `Person ${serial}`, ...more };
  return { subject, email };
}

const invite = (email: string, role: 'owner' | 'admin' | 'member' | 'auditor' = 'member') =>
  service.client().members.invite({ email, role });
const events = async (action: string) => (await service.client().auditEvents({ action, limit: 200 })).data;
const everybody = async () => (await service.client().members.list({ limit: 200 })).data;
const slug = () => service.owner.workspace.slug;

/** Another node on the same database with other settings, for as long as `use` takes. */
async function configured<T>(more: Partial<ProviderSettings>, use: (node: TestService) => Promise<T>): Promise<T> {
  const { database, keys } = service;
  const node = await createTestService({ oidc: provider.settings(more), database, keys, at: service.clock.now() });
  try {
    return await use(node);
  } finally {
    await node.close();
  }
}

describe('a person of the provider', () => {
  test('who was invited becomes a member, and the invitation ends', async () => {
    const { subject, email } = person();
    const { id, invitation } = await invite(email.toUpperCase(), 'admin');
    const browser = openBrowser(service);
    const page = await signInAs(browser, subject);
    expect([page.url.pathname, page.status]).toEqual(['/console', 200]);
    expect(page.text).toContain('<strong>admin</strong>');
    expect([...browser.cookies().keys()]).toEqual([COOKIE]);
    expect(await service.client().members.show(id)).toMatchObject({ status: 'active', role: 'admin' });
    await expect(service.client(null).members.accept(invitation)).rejects.toMatchObject({ status: 401 });
    expect((await events('member.accepted')).some(({ target }) => target === id)).toBe(true);
    expect((await events('identity.linked')).find(({ target }) => target === id)?.data).toMatchObject({
      issuer: provider.issuer,
      subject,
    });
  });

  test('is the same one afterwards, whatever the address is then', async () => {
    const { subject, email } = person();
    const { id } = await invite(email);
    await signInAs(openBrowser(service), subject);
    provider.people[subject] = { email: 'another@acme.example', email_verified: false };
    const page = await signInAs(openBrowser(service), subject);
    expect(page.text).toContain(email);
    expect((await events('session.started')).filter(({ target }) => target === id)).toHaveLength(2);
  });

  test('who is a member already is linked by the verified address', async () => {
    const { subject, email } = person();
    const { id, invitation } = await invite(email);
    await service.client(null).members.accept(invitation);
    expect((await signInAs(openBrowser(service), subject)).status).toBe(200);
    expect((await events('identity.linked')).some(({ target }) => target === id)).toBe(true);
  });

  test('whom nobody knows is turned away, and leaves nothing behind', async () => {
    const before = await everybody();
    const browser = openBrowser(service);
    const page = await signInAs(browser, person().subject);
    expect([page.status, page.text.includes('No workspace knows you')]).toEqual([403, true]);
    expect(browser.cookies().size).toBe(0);
    expect(await everybody()).toEqual(before);
  });

  test('whose invitation was revoked or has lapsed does not come in by it', async () => {
    const [revoked, lapsed] = [person(), person()];
    const { invitation } = await invite(revoked.email);
    await service.client(null).revoke(invitation);
    expect((await signInAs(openBrowser(service), revoked.subject)).text).toContain('Your invitation has lapsed');
    await invite(lapsed.email);
    await configured({}, async (node) => {
      node.clock.advance(72 * 3600);
      expect((await signInAs(openBrowser(node), lapsed.subject)).status).toBe(403);
    });
  });
});

describe('an address that is not proven to be the person’s', () => {
  test.each([
    ['not verified', { email_verified: false }],
    ['verified in words only', { email_verified: 'true' }],
    ['of which nothing is said', { email_verified: undefined }],
  ])('opens no membership: %s', async (_what, more) => {
    const { subject, email } = person(more);
    const { id } = await invite(email, 'owner');
    expect((await signInAs(openBrowser(service), subject)).status).toBe(403);
    expect((await service.client().members.show(id)).status).toBe('invited');
  });

  test('counts without a word where the provider is trusted with addresses, of the allowed domains alone', async () => {
    const [silent, denied, other] = [
      person({ email_verified: undefined }),
      person({ email_verified: false }),
      person({ email: `eve-${serial}@evil.example`, email_verified: undefined }),
    ];
    const { id } = await invite(silent.email);
    await invite(denied.email);
    await invite(`eve-${serial - 1}@evil.example`);
    await configured({ isEmailTrusted: true, allowedDomains: ['acme.example'] }, async (node) => {
      expect((await signInAs(openBrowser(node), silent.subject)).status).toBe(200);
      expect((await signInAs(openBrowser(node), denied.subject)).status).toBe(403);
      expect((await signInAs(openBrowser(node), other.subject)).status).toBe(403);
    });
    expect((await service.client().members.show(id)).status).toBe('active');
  });

  test('does not lead to a member who signs in with another account of the provider', async () => {
    const { subject, email } = person();
    await invite(email);
    await signInAs(openBrowser(service), subject);
    const thief = person({ email });
    const page = await signInAs(openBrowser(service), thief.subject);
    expect([page.status, page.text.includes('another account of your provider')]).toEqual([403, true]);
  });
});

describe('the allowed domains', () => {
  test('hold for people who are known, too, and not for domains that only look like them', async () => {
    const known = person();
    await invite(known.email);
    await signInAs(openBrowser(service), known.subject);
    const strangers = [
      'eve@sub.acme.example',
      'eve@evilacme.example',
      'eve@evil.example@acme.example',
      'eve@аcme.example',
      'eve@acme.example.evil.example',
    ].map((email) => person({ email }));
    await configured({ allowedDomains: ['acme.example'], workspace: slug() }, async (node) => {
      expect((await signInAs(openBrowser(node), known.subject)).status).toBe(200);
      for (const { subject } of strangers) {
        const page = await signInAs(openBrowser(node), subject);
        expect([subject, page.status]).toEqual([subject, 403]);
      }
      expect((await signInAs(openBrowser(node), person({ email: `Fay-${serial}@ACME.example` }).subject)).status).toBe(
        200,
      );
    });
    await configured({ allowedDomains: ['elsewhere.example'] }, async (node) => {
      expect((await signInAs(openBrowser(node), known.subject)).text).toContain('a domain that may sign in here');
    });
  });
});

describe('people whom nobody invited', () => {
  test('become members of the workspace of the configuration, once they prove an address', async () => {
    const { subject, email } = person();
    const unproven = person({ email_verified: false });
    await configured({ workspace: slug() }, async (node) => {
      expect((await signInAs(openBrowser(node), subject)).status).toBe(200);
      expect((await signInAs(openBrowser(node), unproven.subject)).status).toBe(403);
    });
    const member = (await everybody()).find((one) => one.email === email);
    expect(member).toMatchObject({ role: 'member', status: 'active', name: `Person ${serial - 1}` });
    expect((await events('member.joined')).find(({ target }) => target === member?.id)?.data).toMatchObject({ email });
  });

  test('come to one membership however often they come at once', async () => {
    const { subject, email } = person();
    await configured({ workspace: slug() }, async (node) => {
      const pages = await Promise.all(Array.from({ length: 4 }, () => signInAs(openBrowser(node), subject)));
      expect(pages.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    });
    expect((await everybody()).filter((one) => one.email === email)).toHaveLength(1);
  });

  test('whose invitation lapsed come in like anybody else, with no more than that', async () => {
    const { subject, email } = person();
    const { id, invitation } = await invite(email, 'owner');
    await service.client(null).revoke(invitation);
    await configured({ workspace: slug() }, async (node) => {
      expect((await signInAs(openBrowser(node), subject)).status).toBe(200);
    });
    const found = (await everybody()).find((one) => one.email === email);
    expect(found).toMatchObject({ role: 'member', status: 'active' });
    expect(found?.id).not.toBe(id);
  });
});

describe('who was put out', () => {
  test('does not come in while suspended', async () => {
    const { subject, email } = person();
    const { id } = await invite(email);
    await signInAs(openBrowser(service), subject);
    await service.client().members.suspend(id);
    await configured({ workspace: slug() }, async (node) => {
      const page = await signInAs(openBrowser(node), subject);
      expect([page.status, page.text.includes('suspended')]).toEqual([403, true]);
    });
    await service.client().members.reactivate(id);
    expect((await signInAs(openBrowser(service), subject)).status).toBe(200);
  });

  test('is another member after a removal, and nothing of the first one comes back', async () => {
    const { subject, email } = person();
    const { id, invitation } = await invite(email, 'admin');
    const accepted = await service.client(null).members.accept(invitation);
    const browser = openBrowser(service);
    await signInAs(browser, subject);
    await service.client().members.remove(id);
    expect((await signInAs(openBrowser(service), subject)).status).toBe(403);
    await configured({ workspace: slug() }, async (node) => {
      expect((await signInAs(openBrowser(node), subject)).text).toContain('<strong>member</strong>');
    });
    const again = (await everybody()).find((one) => one.email === email);
    expect(again?.id).not.toBe(id);
    expect((await browser.send('GET', '/console')).status).toBe(303);
    expect(await service.client().introspect(accepted.token)).toEqual({ active: false });
    // The identity leads to the new one from now on.
    expect((await signInAs(openBrowser(service), subject)).status).toBe(200);
  });
});

describe('roles by a claim', () => {
  const roles = {
    claim: 'groups',
    pairs: [
      { value: 'platform', role: 'admin' as const },
      { value: 'everyone', role: 'member' as const },
    ],
  };

  test('follow it at each sign-in, on record', async () => {
    const { subject, email } = person({ groups: ['everyone', 'platform'] });
    const { id } = await invite(email, 'auditor');
    const role = async () => (await service.client().members.show(id)).role;
    await configured({ roles }, async (node) => {
      await signInAs(openBrowser(node), subject);
      expect(await role()).toBe('admin');
      provider.people[subject] = { ...provider.people[subject], groups: 'everyone' };
      await signInAs(openBrowser(node), subject);
      expect(await role()).toBe('member');
    });
    const changes = (await events('member.role_changed')).filter(({ target }) => target === id);
    expect(changes.map(({ data }) => [data['from'], data['to']])).toEqual([
      ['auditor', 'admin'],
      ['admin', 'member'],
    ]);
  });

  test('turn away whom they give none', async () => {
    const [unmapped, silent] = [person({ groups: ['guests'] }), person()];
    await invite(unmapped.email);
    await configured({ roles, workspace: slug() }, async (node) => {
      for (const { subject } of [unmapped, silent]) {
        const page = await signInAs(openBrowser(node), subject);
        expect([page.status, page.text.includes('gives you no role here')]).toEqual([403, true]);
      }
    });
  });

  test('tell a stranger nothing of which workspaces there are', async () => {
    const { subject } = person();
    await configured({ roles }, async (node) => {
      const pages = [];
      for (const workspace of [slug(), 'nowhere']) {
        const page = await signInAs(openBrowser(node), subject, `?workspace=${workspace}`);
        pages.push([page.status, page.text]);
      }
      expect(pages[0]).toEqual(pages[1]);
    });
  });

  test('leave a workspace its last owner', async () => {
    const { subject } = person({ groups: 'everyone' });
    const elsewhere = await service.makeWorkspace(`last-${serial}`);
    provider.people[subject] = { ...provider.people[subject], email: elsewhere.member.email };
    await configured({ roles }, async (node) => {
      expect((await signInAs(openBrowser(node), subject)).text).toContain('<strong>owner</strong>');
    });
  });

  test('are not the provider’s to give in other workspaces than its own', async () => {
    const { subject, email } = person({ groups: 'platform' });
    const elsewhere = await service.makeWorkspace(`else-${serial}`);
    await service.client(elsewhere.printed).members.invite({ email, role: 'auditor' });
    await configured({ roles, workspace: slug() }, async (node) => {
      expect((await signInAs(openBrowser(node), subject)).text).toContain('<strong>auditor</strong>');
    });
  });
});

describe('somebody of several workspaces', () => {
  async function inTwo() {
    const { subject, email } = person();
    const other = await service.makeWorkspace(`other-${serial}`);
    await invite(email);
    await service.client(other.printed).members.invite({ email, role: 'auditor' });
    return { subject, email, other: other.workspace.slug };
  }

  test('chooses, once, among those alone', async () => {
    const { subject, other } = await inTwo();
    const foreign = await service.makeWorkspace(`foreign-${serial}`);
    const browser = openBrowser(service);
    const page = await signInAs(browser, subject);
    expect([...page.text.matchAll(/ value="([^"]+)">\1<\/button>/g)].map(([, one]) => one).sort()).toEqual(
      [slug(), other].sort(),
    );
    const kept = browser.cookies();
    const entered = await browser.submit(page, { workspace: other });
    expect(entered.text).toContain('<strong>auditor</strong>');
    for (const [name, value] of kept) browser.plant(name, value);
    expect((await browser.submit(page, { workspace: slug() })).status).toBe(403);
    const again = openBrowser(service);
    const choice = await signInAs(again, subject);
    expect((await again.submit(choice, { workspace: foreign.workspace.slug })).status).toBe(403);
  });

  test('goes where a link says', async () => {
    const { subject, other } = await inTwo();
    const page = await signInAs(openBrowser(service), subject, `?workspace=${other}`);
    expect(page.text).toContain(other);
    const nowhere = await signInAs(openBrowser(service), subject, '?workspace=nowhere');
    expect([nowhere.status, nowhere.text.includes('no member of this workspace')]).toEqual([403, true]);
  });

  test('cannot have the choice of another browser', async () => {
    const { subject, other } = await inTwo();
    const page = await signInAs(openBrowser(service), subject);
    expect((await openBrowser(service).submit(page, { workspace: other })).status).toBe(403);
  });
});

describe('a browser', () => {
  test('comes back to the page that it wanted', async () => {
    const { subject, email } = person();
    await invite(email);
    const query = `?return_to=${encodeURIComponent('/console/device')}`;
    const page = await signInAs(openBrowser(service), subject, query, (at) => at.url.pathname.endsWith('/callback'));
    expect(page.headers.get('location')).toBe('/console/device');
  });

  test('signs in from several tabs, the first one last', async () => {
    const { subject, email } = person();
    await invite(email);
    const browser = openBrowser(service);
    const [first, second] = [await browser.open('/console/sign-in'), await browser.open('/console/sign-in')];
    const begun = await browser.submit(first);
    await browser.submit(second);
    const consent = await browser.submit(begun, { login: subject, password: 'any' });
    expect((await browser.submit(consent)).url.pathname).toBe('/console');
  });

  test('that never comes back from the provider keeps a few sign-ins under way, not all', async () => {
    const browser = openBrowser(service);
    for (let at = 0; at < 9; at += 1) await browser.send('POST', '/console/sign-in', { form: {} });
    expect(browser.cookies().size).toBe(5);
  });

  test('has another session after each sign-in, and the one before has ended', async () => {
    const { subject, email } = person();
    await invite(email);
    const browser = openBrowser(service);
    await signInAs(browser, subject);
    const before = browser.cookies().get(COOKIE) ?? '';
    expect((await browser.open('/console/sign-in')).text).toContain('You are signed in already');
    await signInAs(browser, subject);
    expect(browser.cookies().get(COOKIE)).not.toBe(before);
    const old = openBrowser(service);
    old.plant(COOKIE, before);
    expect(locationOf(await old.send('GET', '/console')).pathname).toBe('/console/sign-in');
  });
});

test('nothing of what a sign-in is made of is in the log', async () => {
  const { subject, email } = person();
  await invite(email);
  const browser = openBrowser(service);
  const back = await signInAs(browser, subject, '', (at) => locationOf(at).pathname.endsWith('/callback'));
  const code = locationOf(back).searchParams.get('code') ?? '';
  const sealed = [...browser.cookies().values()];
  await browser.follow(back);
  const log = service.log.join('');
  for (const secret of [code, ...sealed, ...browser.cookies().values()]) {
    expect(secret).not.toBe('');
    expect(log).not.toContain(secret);
  }
});

test('a provider that is out of reach is said to be, and found once it is back', async () => {
  const port = await freePort();
  const oidc = { ...provider.settings(), issuer: `http://127.0.0.1:${port}` };
  const node = await createTestService({ oidc, database: service.database, keys: service.keys });
  const begin = () => openBrowser(node).send('POST', '/console/sign-in', { form: {} });
  try {
    const page = await begin();
    expect([page.status, page.headers.get('retry-after')]).toEqual([503, '30']);
    expect(page.text).toContain('out of reach');
    expect((await openBrowser(node).send('GET', '/console/sign-in')).status).toBe(200);
    const back = await startOidcProvider({ pages: ISSUER, people: {}, port });
    try {
      expect((await begin()).status).toBe(303);
    } finally {
      await back.stop();
    }
  } finally {
    await node.close();
  }
});
