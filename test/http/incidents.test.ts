import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everyPage } from '../../src/sdk/index.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
let serial = 0;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

/** A token that leaked, with its incident. */
async function leaked(tokens = service.client()) {
  serial += 1;
  await service.makeWorkflow('leaky');
  const { id, token } = await tokens.tokens.mint({ workflow: 'leaky', scopes: ['repo:read'], expires_in_days: 7 });
  await service.client(null, `2001:db8:${serial.toString(16)}::1`).incidents.report({ tokens: [token] });
  const [incident] = (await service.client().incidents.list({ token: id })).data;
  if (incident === undefined) throw new Error('no incident');
  service.clock.advance(1);
  return { id, token, incident };
}

describe('incidents', () => {
  test('are listed newest first, page by page, by status and token', async () => {
    const made = [await leaked(), await leaked(), await leaked()].map(({ incident }) => incident.id).reverse();
    const client = service.client();
    const all: string[] = [];
    for await (const { id } of everyPage((cursor) => client.incidents.list({ cursor, limit: 1 }))) all.push(id);
    expect(all.slice(0, 3)).toEqual(made);
    await client.incidents.close(made[0] ?? '');
    const ids = async (status: 'open' | 'closed') =>
      (await client.incidents.list({ status, limit: 200 })).data.map(({ id }) => id);
    expect(await ids('open')).toEqual(all.slice(1));
    expect(await ids('closed')).toEqual([made[0]]);
    const none = `tok_${'z'.repeat(22)}`;
    expect((await client.incidents.list({ token: none })).data).toEqual([]);
    expect((await send(service, 'GET', '/v1/incidents?cursor=bm9uZQ')).status).toBe(422);
    expect((await send(service, 'GET', '/v1/incidents?status=over')).status).toBe(422);
  });

  test('are a member’s as far as the token is its own', async () => {
    const { token } = await service.makeMember('member');
    const member = service.client(token);
    const own = await leaked(member);
    const other = await leaked();
    expect((await member.incidents.list()).data.map(({ id }) => id)).toEqual([own.incident.id]);
    expect((await member.incidents.list({ token: other.id })).data).toEqual([]);
    await expect(member.incidents.show(other.incident.id)).rejects.toMatchObject({ status: 404 });
    await expect(member.incidents.close(other.incident.id)).rejects.toMatchObject({ status: 404 });
    expect(await member.incidents.close(own.incident.id)).toMatchObject({ status: 'closed' });
  });

  test('tell who used the token from where, and what else there is', async () => {
    await service.makeWorkflow('told');
    const minted = await service.client().tokens.mint({ workflow: 'told', scopes: ['repo:read'], expires_in_days: 7 });
    const context = { repository: 'acme/shop', ref: 'refs/heads/main', job: 'tests', command: 'npm test' };
    const asked = await service
      .client(undefined, '198.51.100.7')
      .execChecks.check({ token: minted.token, workflow: 'told', scopes: ['repo:read'], context });
    const { token: runner } = await service.client().me();
    const successor = await service.client().tokens.rotate(minted.id);
    serial += 1;
    await service.client(null, `2001:db8:${serial.toString(16)}::1`).incidents.report({ tokens: [minted.token] });
    const [incident] = (await service.client().incidents.list({ token: minted.id })).data;
    const report = await service.client().incidents.show(incident?.id ?? '');
    expect(report).toMatchObject({
      token: { id: minted.id, status: 'revoked' },
      token_was: 'rotating',
      uses: [{ check_id: asked.check_id, decision: 'allow', ...context, ip: '198.51.100.7', run_status: 'running' }],
      asked_by: [runner.id],
      siblings: [{ id: successor.id, status: 'active' }],
    });
  });

  test('are closed once, with a note that is kept', async () => {
    const { incident } = await leaked();
    const client = service.client();
    const me = await client.me();
    const first = await client.incidents.close(incident.id, { note: 'the log is gone' });
    expect(first).toMatchObject({ status: 'closed', closed_by: me.id, closed_note: 'the log is gone' });
    service.clock.advance(60);
    expect(await client.incidents.close(incident.id, { note: 'again' })).toEqual(first);
    const { data } = await client.auditEvents({ target: incident.id });
    expect(data.map(({ action }) => action)).toEqual(['incident.opened', 'incident.closed']);
  });

  test('take no token in their note', async () => {
    const { incident, token } = await leaked();
    const answer = await send(service, 'POST', `/v1/incidents/${incident.id}/close`, { json: { note: token } });
    expect(answer.status).toBe(422);
  });
});
