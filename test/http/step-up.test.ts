import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Authenticator, type Options } from '../setup/authenticator.js';
import { PasskeyBrowser } from '../setup/passkey-browser.js';
import {
  askForStepUp,
  confirm,
  formTokenOf,
  givePasskey,
  signedInBrowser,
  stepUp as stepUpWith,
} from '../setup/passkeys.js';
import { type Answered, send } from '../setup/request.js';
import { createTestService, ISSUER, type TestService } from '../setup/service.js';
import { RULES } from '../setup/trust.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
  await service.client().trustRules.put('going', RULES.github_actions);
});
afterAll(() => service.close());

type Person = { readonly id: string; readonly token: string; readonly authenticator: Authenticator };

async function owner({ hasPasskey = true } = {}): Promise<Person> {
  const person = await service.makeMember('owner');
  const authenticator = new Authenticator(ISSUER);
  if (hasPasskey) await givePasskey(service, person.token, { authenticator });
  return { ...person, authenticator };
}

function stepUp({ token, authenticator }: Person): Promise<void> {
  return stepUpWith(service, token, authenticator);
}

/** Something dangerous that changes nothing. */
function danger(token: string): Promise<Answered> {
  const json = { reason: 'leaked', workflow: 'no-such-workflow' };
  return send(service, 'POST', '/v1/revocations', { token, json });
}

async function eventsOf(action: string): Promise<readonly { target: string; data: Record<string, unknown> }[]> {
  return (await service.client().auditEvents({ action, limit: 200 })).data;
}

const email = () => `${randomBytes(6).toString('hex')}@acme.example`;

/** What needs a confirmation, each with what it is answered once there is one. */
const ACTS: readonly [string, (other: string) => Parameters<typeof send>, number][] = [
  [
    'a panic revocation',
    () => [service, 'POST', '/v1/revocations', { json: { reason: 'leaked', workflow: 'nightly' } }],
    200,
  ],
  ['an owner’s invitation', () => [service, 'POST', '/v1/members', { json: { email: email(), role: 'owner' } }], 201],
  ['an admin’s invitation', () => [service, 'POST', '/v1/members', { json: { email: email(), role: 'admin' } }], 201],
  ['a suspension of an owner', (other) => [service, 'POST', `/v1/members/${other}/suspend`], 200],
  ['its end', (other) => [service, 'POST', `/v1/members/${other}/reactivate`], 200],
  ['a demotion of an owner', (other) => [service, 'PATCH', `/v1/members/${other}`, { json: { role: 'member' } }], 200],
  ['a new owner', (other) => [service, 'PATCH', `/v1/members/${other}`, { json: { role: 'owner' } }], 200],
  ['a removal of an owner', (other) => [service, 'DELETE', `/v1/members/${other}`], 204],
  [
    'a trust rule',
    () => [service, 'PUT', '/v1/trust-rules/shop', { json: { ...RULES.github_actions, workflow: 'nightly' } }],
    201,
  ],
  ['the removal of one', () => [service, 'DELETE', '/v1/trust-rules/going'], 204],
  ['a policy', () => [service, 'PUT', '/v1/policy', { json: { enforcement: 'report', minters: ['member'] } }], 200],
  [
    'a place for the secrets of a workflow',
    (other) => [
      service,
      'PUT',
      `/v1/workflows/placed-${other.slice(-8).toLowerCase()}`,
      { json: { rotations: [{ into: ['github:acme/api/TOKEN'], every_days: 7 }] } },
    ],
    201,
  ],
  ['the end of the policy', () => [service, 'DELETE', '/v1/policy'], 204],
  // The last two do what is asked about elsewhere, revoke many and set trust rules, without a person behind them.
  ...['workspace:admin', 'members:write', 'members:*', 'tokens:revoke', 'workflows:write'].map(
    (scope): (typeof ACTS)[number] => [
      `a token with ${scope}`,
      () => [service, 'POST', '/v1/tokens', { json: { workflow: 'nightly', scopes: [scope], expires_in_days: 7 } }],
      scope === 'members:*' ? 422 : 201,
    ],
  ),
];

describe('a dangerous act of a person who has a passkey', () => {
  test('needs a confirmation by it within the last five minutes (RFC 9470 section 3)', async () => {
    const person = await owner();
    const other = await owner({ hasPasskey: false });
    for (const [name, call] of ACTS) {
      const [, method, path, sending] = call(other.id);
      const answer = await send(service, method, path, { ...sending, token: person.token });
      // What would be refused anyway, and what changes nothing, is not asked about.
      const isFree = name === 'a token with members:*' || name === 'a new owner';
      if (isFree) continue;
      expect([name, answer.status], name).toEqual([name, 401]);
      expect(answer.body).toMatchObject({ type: 'https://countersign.example/problems/step-up-required' });
      expect(typeof answer.body['act']).toBe('string');
      const challenge = answer.headers.get('www-authenticate');
      expect(challenge).toMatch(/^Bearer realm="countersign", error="insufficient_user_authentication"/);
      expect(challenge).toContain('max_age=300');
    }
  });

  test('says which place for the secrets of a workflow is new, behind however many that are not', async () => {
    const known = {
      name: 'known',
      into: Array.from({ length: 5 }, (_, at) => `vault:kv/${'a'.repeat(90)}#k${at}`),
      every_days: 7,
    };
    await service.client().workflows.put('placed-long', { allowed_scopes: ['codex:exec'], rotations: [known] });
    const json = {
      allowed_scopes: ['codex:exec'],
      rotations: [known, { name: 'new', into: ['vault:kv/elsewhere#key'], every_days: 7 }],
    };
    const { token } = await owner();
    const { status, body } = await send(service, 'PUT', '/v1/workflows/placed-long', { token, json });
    expect([status, body['act']]).toEqual([401, 'put secrets of placed-long into a new place: vault:kv/elsewhere#key']);
  });

  test('is done once it was confirmed, and asked about again after five minutes', async () => {
    const person = await owner();
    const other = await owner({ hasPasskey: false });
    await stepUp(person);
    for (const [name, call, status] of ACTS) {
      const [, method, path, sending] = call(other.id);
      const answer = await send(service, method, path, { ...sending, token: person.token });
      expect([name, answer.status]).toEqual([name, status]);
    }
    service.clock.advance(300);
    const again = await send(service, 'POST', '/v1/revocations', {
      token: person.token,
      json: { reason: 'leaked', workflow: 'nightly' },
    });
    expect(again.status).toBe(401);
  });

  test('is asked about for each token: one of the same person opens nothing for another', async () => {
    const person = await owner();
    const client = service.client(person.token);
    await stepUp(person);
    const rotated = await client.tokens.rotate('self');
    const answer = await send(service, 'POST', '/v1/revocations', {
      token: rotated.token,
      json: { reason: 'leaked', workflow: 'nightly' },
    });
    expect(answer.status).toBe(401);
  });

  test('is not got round by the secret of a token that was minted before', async () => {
    const person = await owner({ hasPasskey: false });
    const client = service.client(person.token);
    const minted = await client.tokens.mint({ workflow: 'nightly', scopes: ['workspace:admin'], expires_in_days: 7 });
    await givePasskey(service, person.token);
    await expect(client.tokens.rotate(minted.id)).rejects.toMatchObject({ kind: 'step-up-required' });
    const plain = await client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
    expect((await client.tokens.rotate(plain.id)).rotated_from).toBe(plain.id);
  });

  test('is not asked about on a dry run, nor when it is refused anyway', async () => {
    const person = await owner();
    const dry = { reason: 'leaked', workflow: 'nightly', dry_run: true } as const;
    expect((await service.client(person.token).tokens.revokeMany(dry)).revoked).toBeGreaterThanOrEqual(0);
    const admin = await service.makeMember('admin');
    await givePasskey(service, admin.token);
    await expect(service.client(admin.token).members.suspend(person.id)).rejects.toMatchObject({ status: 403 });
  });
});

describe('a step-up', () => {
  test('is asked for by a token, shown to its person word by word, confirmed with a passkey, and good for that token', async () => {
    const person = await owner();
    expect((await danger(person.token)).status).toBe(401);
    const opened = await send(service, 'POST', '/v1/step-ups', {
      token: person.token,
      json: { act: 'revoke <everything>' },
      address: '203.0.113.9',
    });
    expect(opened.body).toMatchObject({ status: 'pending', interval_seconds: 2, act: 'revoke <everything>' });
    const path = String(opened.headers.get('location'));
    expect((await send(service, 'GET', path, { token: person.token })).body['status']).toBe('pending');
    const browser = await signedInBrowser(service, person.authenticator);
    const page = new URL(String(opened.body['verification_uri'])).pathname;
    const shown = await browser.get(page);
    const me = await service.client(person.token).me();
    for (const text of ['revoke &lt;everything&gt;', me.token.id, 'sign-in', '203.0.113.9', me.email]) {
      expect(shown.text).toContain(text);
    }
    expect(shown.text).toContain(service.clock.now().toISOString());
    expect((await confirm(browser, page, person.authenticator)).status).toBe(200);
    expect((await send(service, 'GET', path, { token: person.token })).body['status']).toBe('confirmed');
    expect((await danger(person.token)).status).toBe(200);
    const [event] = (await eventsOf('step_up.confirmed')).slice(-1);
    expect(event?.target).toBe(opened.body['id']);
    expect(event?.data).toMatchObject({ token: me.token.id, act: 'revoke <everything>' });

    service.clock.advance(299);
    expect((await danger(person.token)).status).toBe(200);
    service.clock.advance(1);
    expect((await danger(person.token)).status).toBe(401);
    // It was used up.
    const formToken = await formTokenOf(browser, await askForStepUp(service, person.token));
    expect((await confirm(browser, page, person.authenticator, { formToken })).status).toBe(409);
    expect((await danger(person.token)).status).toBe(401);
  });

  test('of one token opens nothing for another of the same person', async () => {
    const person = await owner();
    const { token } = await service.client(person.token).tokens.rotate('self');
    await stepUp({ ...person, token });
    expect((await danger(token)).status).toBe(200);
    expect((await danger(person.token)).status).toBe(401);
  });

  test('can be denied, which its token learns', async () => {
    const person = await owner();
    const browser = await signedInBrowser(service, person.authenticator);
    const path = await askForStepUp(service, person.token, 'take over');
    const form_token = await formTokenOf(browser, path);
    expect((await browser.submit(`${path}/deny`, { form_token })).status).toBe(200);
    const told = await send(service, 'GET', path.replace('/console/step-up/', '/v1/step-ups/'), {
      token: person.token,
    });
    expect(told.body['status']).toBe('denied');
    expect((await confirm(browser, path, person.authenticator, { formToken: form_token })).status).toBe(409);
    expect((await danger(person.token)).status).toBe(401);
    expect((await eventsOf('step_up.denied')).at(-1)?.data).toMatchObject({ act: 'take over' });
  });

  test('expires after ten minutes', async () => {
    const person = await owner();
    const path = await askForStepUp(service, person.token);
    service.clock.advance(600);
    const browser = await signedInBrowser(service, person.authenticator);
    expect((await browser.get(path)).text).toContain('has expired');
    const formToken = await formTokenOf(browser, await askForStepUp(service, person.token));
    expect((await confirm(browser, path, person.authenticator, { formToken })).status).toBe(409);
    const told = await send(service, 'GET', path.replace('/console/step-up/', '/v1/step-ups/'), {
      token: person.token,
    });
    expect(told.body['status']).toBe('expired');
  });

  test('leads to the sign-in and back', async () => {
    const person = await owner();
    const path = await askForStepUp(service, person.token);
    const answer = await new PasskeyBrowser(service, ISSUER).get(path);
    expect([answer.status, answer.headers.get('location')]).toEqual([
      303,
      `/console/sign-in?return_to=${encodeURIComponent(path)}`,
    ]);
    const page = await new PasskeyBrowser(service, ISSUER).get(String(answer.headers.get('location')));
    expect(page.text).toContain(`data-return-to="${path}"`);
  });

  test('tells who is signed in as somebody else, or in another workspace, how to go on, and not whether it is there', async () => {
    const [person, other] = [await owner(), await owner()];
    const path = await askForStepUp(service, person.token, 'wipe it all');
    const browser = await signedInBrowser(service, other.authenticator);
    const pages = [await browser.get(path), await browser.get(`/console/step-up/stp_${'0'.repeat(22)}`)];
    for (const page of pages) {
      expect(page.status).toBe(404);
      expect(page.text).toContain(service.owner.workspace.slug);
      expect(page.text).toContain(`/console/sign-in?return_to=${encodeURIComponent('/console/step-up/stp_')}`);
    }
    const [one, none] = pages.map(({ text }) => text.replaceAll(/stp_[0-9A-Za-z]{22}/g, 'stp_'));
    expect(one).toBe(none);
  });

  test('is of its person alone, and told to its token alone', async () => {
    const [person, other] = [await owner(), await owner()];
    const path = await askForStepUp(service, person.token);
    const browser = await signedInBrowser(service, other.authenticator);
    expect((await browser.get(path)).status).toBe(404);
    expect((await confirm(browser, path, other.authenticator)).status).toBe(403);
    const own = await askForStepUp(service, other.token);
    const form_token = await formTokenOf(browser, own);
    expect((await browser.call(`${path}/options`, { form_token })).status).toBe(404);
    const options = (await browser.call(`${own}/options`, { form_token })).body as unknown as Options;
    const credential = other.authenticator.get(options);
    expect((await browser.call(path, { form_token, credential })).status).toBe(404);
    const api = path.replace('/console/step-up/', '/v1/step-ups/');
    expect((await send(service, 'GET', api, { token: other.token })).status).toBe(404);
    const sibling = await service.client(person.token).tokens.rotate('self');
    expect((await send(service, 'GET', api, { token: sibling.token })).status).toBe(404);
    expect((await danger(person.token)).status).toBe(401);
  });

  test('is not confirmed by the passkey of somebody else, in the browser of its person', async () => {
    const [person, other] = [await owner(), await owner()];
    const path = await askForStepUp(service, person.token);
    const browser = await signedInBrowser(service, person.authenticator);
    expect((await confirm(browser, path, other.authenticator)).status).toBe(403);
    const wrong = { userHandle: other.authenticator.userHandle };
    expect((await confirm(browser, path, person.authenticator, wrong)).status).toBe(403);
    // Who is asked by name need not name themselves.
    expect((await confirm(browser, path, person.authenticator, { userHandle: null })).status).toBe(200);
  });

  test('is not confirmed by a proof of another kind, of another step-up, or of another act', async () => {
    const person = await owner();
    const browser = await signedInBrowser(service, person.authenticator);
    const [path, other] = [
      await askForStepUp(service, person.token),
      await askForStepUp(service, person.token, 'else'),
    ];
    const form_token = await formTokenOf(browser, path);
    const get = (body: unknown) => person.authenticator.get(body as Options);

    const signIn = (await browser.call('/console/sign-in/passkey/options', {})).body;
    expect((await browser.call(path, { form_token, credential: get(signIn) })).status).toBe(403);

    const elsewhere = (await browser.call(`${other}/options`, { form_token })).body;
    expect((await browser.call(path, { form_token, credential: get(elsewhere) })).status).toBe(403);

    const asked = (await browser.call(`${path}/options`, { form_token })).body;
    const id = path.split('stp_')[1] ?? '';
    await service.db.sql`update step_ups set act = 'something else' where act = 'do it'`;
    expect((await browser.call(path, { form_token, credential: get(asked) })).status).toBe(403);
    expect(id).toHaveLength(22);
    for (const wrong of [
      { origin: 'https://evil.example' },
      { rpId: 'evil.example' },
      { isVerified: false },
      { forges: true },
      { crossOrigin: true },
    ]) {
      expect((await confirm(browser, path, person.authenticator, wrong)).status).toBe(403);
    }
    expect((await danger(person.token)).status).toBe(401);
  });

  test('takes a proof once', async () => {
    const person = await owner();
    const browser = await signedInBrowser(service, person.authenticator);
    const path = await askForStepUp(service, person.token);
    const form_token = await formTokenOf(browser, path);
    const options = (await browser.call(`${path}/options`, { form_token })).body as unknown as Options;
    const credential = person.authenticator.get(options);
    const race = await Promise.all(Array.from({ length: 3 }, () => browser.call(path, { form_token, credential })));
    expect(race.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('is not decided about by another site, without its form token, or with that of another session', async () => {
    const person = await owner();
    const browser = await signedInBrowser(service, person.authenticator);
    const second = await signedInBrowser(service, person.authenticator);
    const path = await askForStepUp(service, person.token);
    const [form_token, foreign] = [await formTokenOf(browser, path), await formTokenOf(second, path)];
    const evil = { origin: 'https://evil.example' };
    expect((await browser.call(`${path}/options`, { form_token }, evil)).status).toBe(403);
    expect((await browser.call(`${path}/options`, { form_token: foreign })).status).toBe(403);
    expect((await browser.call(`${path}/options`, {})).status).toBe(422);
    expect((await browser.submit(`${path}/deny`, { form_token }, evil)).status).toBe(403);
    expect((await browser.submit(`${path}/deny`, { form_token: foreign })).status).toBe(403);
    expect((await browser.submit(`${path}/deny`, {})).status).toBe(403);
    expect((await new PasskeyBrowser(service, ISSUER).submit(`${path}/deny`, { form_token })).status).toBe(403);
    expect((await confirm(browser, path, person.authenticator)).status).toBe(200);
  });

  test('is not confirmed for a token that was revoked, nor by a copy of the passkey', async () => {
    const person = await service.makeMember('owner');
    const authenticator = new Authenticator(ISSUER, { counter: 1 });
    await givePasskey(service, person.token, { authenticator });
    const browser = await signedInBrowser(service, authenticator);
    const path = await askForStepUp(service, person.token);
    expect((await confirm(browser, path, authenticator, { counter: 1 })).status).toBe(403);
    expect((await eventsOf('passkey.cloned')).at(-1)?.data).toMatchObject({ member: person.id });
    await service.client(null).revoke(person.token);
    expect((await confirm(browser, path, authenticator)).status).toBe(409);
  });

  test('is asked for by a person’s sign-in token that has something to confirm with, and not without end', async () => {
    const { token } = await service.seedToken({ scopes: ['workspace:admin'] });
    expect((await send(service, 'POST', '/v1/step-ups', { token, json: { act: 'x' } })).status).toBe(403);
    const plain = await owner({ hasPasskey: false });
    expect((await send(service, 'POST', '/v1/step-ups', { token: plain.token, json: { act: 'x' } })).status).toBe(409);
    const person = await owner();
    const ask = (act: string) => send(service, 'POST', '/v1/step-ups', { token: person.token, json: { act } });
    for (const act of ['', 'x'.repeat(301), 'two\nlines', 'gnp.\u202eelif']) expect((await ask(act)).status).toBe(422);
    const answers = [];
    for (let at = 0; at < 21; at += 1) answers.push((await ask('again')).status);
    expect([answers[0], answers.at(-1)]).toEqual([201, 429]);
  });
});

describe('who needs no confirmation', () => {
  test('a person without a passkey: a panic is never locked away', async () => {
    const person = await owner({ hasPasskey: false });
    const revocation = { reason: 'leaked', workflow: 'nightly' } as const;
    expect((await service.client(person.token).tokens.revokeMany(revocation)).revoked).toBeGreaterThanOrEqual(0);
  });

  test('a token that no person signed in with', async () => {
    const person = await owner();
    await stepUp(person);
    const { token } = await service
      .client(person.token)
      .tokens.mint({ workflow: 'nightly', scopes: ['workspace:admin'], expires_in_days: 7 });
    service.clock.advance(301);
    const revocation = { reason: 'leaked', creator_id: (await service.makeMember('member')).id } as const;
    expect((await service.client(token).tokens.revokeMany(revocation)).revoked).toBe(1);
  });
});
