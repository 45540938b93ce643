import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

type Person = { readonly id: string; readonly token: string };

async function givePasskey(memberId: string): Promise<void> {
  await service.db.sql`insert into passkeys
    (workspace_id, id, member_id, credential_id, public_key, counter, transports, name, created_at)
    values (${service.owner.workspace.id}, ${randomUUID()}, ${parsePublicId('mem', memberId) ?? ''},
      ${randomBytes(16).toString('base64url')}, ${randomBytes(32)}, 0, '{}', 'key', now())`;
}

async function owner({ hasPasskey = true } = {}): Promise<Person> {
  const person = await service.makeMember('owner');
  if (hasPasskey) await givePasskey(person.id);
  return person;
}

async function stepUp({ token }: Person): Promise<void> {
  const { id } = (await service.client(token).me()).token;
  const until = new Date(service.clock.now().getTime() + 300_000);
  await service.db.sql`update tokens set stepped_up_until = ${until.toISOString()}
    where id = ${parsePublicId('tok', id) ?? ''}`;
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
  ...['workspace:admin', 'members:write', 'members:*'].map((scope): (typeof ACTS)[number] => [
    `a token with ${scope}`,
    () => [service, 'POST', '/v1/tokens', { json: { workflow: 'nightly', scopes: [scope], expires_in_days: 7 } }],
    scope === 'members:*' ? 422 : 201,
  ]),
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
    await givePasskey(person.id);
    await expect(client.tokens.rotate(minted.id)).rejects.toMatchObject({ kind: 'step-up-required' });
    const plain = await client.tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
    expect((await client.tokens.rotate(plain.id)).rotated_from).toBe(plain.id);
  });

  test('is not asked about on a dry run, nor when it is refused anyway', async () => {
    const person = await owner();
    const dry = { reason: 'leaked', workflow: 'nightly', dry_run: true } as const;
    expect((await service.client(person.token).tokens.revokeMany(dry)).revoked).toBeGreaterThanOrEqual(0);
    const admin = await service.makeMember('admin');
    await givePasskey(admin.id);
    await expect(service.client(admin.token).members.suspend(person.id)).rejects.toMatchObject({ status: 403 });
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
