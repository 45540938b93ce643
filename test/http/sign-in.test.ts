import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { locationOf, openBrowser } from '../setup/browser.js';
import { type RunningProvider, signInAs, startOidcProvider } from '../setup/oidc-provider.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';

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

describe('a person of the provider', () => {
  test('who was invited becomes a member, and the invitation ends', async () => {
    const { subject, email } = person();
    const { id, invitation } = await invite(email, 'admin');
    const page = await signInAs(openBrowser(service), subject);
    expect([page.url.pathname, page.status]).toEqual(['/console', 200]);
    expect(page.text).toContain(email);
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

  test('whom nobody knows is turned away', async () => {
    const page = await signInAs(openBrowser(service), person().subject);
    expect([page.status, page.text.includes('No workspace knows you')]).toEqual([403, true]);
  });
});

test('without a session /console leads to the sign-in page and back', async () => {
  const browser = openBrowser(service);
  expect(locationOf(await browser.send('GET', '/console')).pathname).toBe('/console/sign-in');
});
