import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('nightly');
});
afterAll(() => service.close());

const MINT = { workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 30, name: 'hung up on' };

/** Sends a request, waits until its transaction is about to put its event on record, and hangs up before it may. */
async function hangUpBeforeCommit(path: string, json: object, headers = ''): Promise<void> {
  const { hostname, port } = new URL(service.url);
  const body = JSON.stringify(json);
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${hostname}`,
    `authorization: Bearer ${service.owner.printed}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
    headers,
  ].filter((line) => line !== '');
  const hungUp = await service.db.sql.begin(async (tx) => {
    await tx`select 1 from audit_heads for update`;
    const socket = connect(Number(port), hostname);
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    const transaction = await waiting();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.destroy();
    await closed;
    // Answered after the end of the other connection was seen.
    for (let at = 0; at < 3; at += 1) await fetch(`${service.url}/healthz`);
    return transaction;
  });
  await eventually('the transaction ended', async () => {
    const left = await service.db.sql`select 1 from pg_stat_activity
      where pid = ${hungUp.pid} and xact_start = ${hungUp.since}::text::timestamptz`;
    return left.length === 0 ? true : undefined;
  });
}

/** The transaction that waits for a lock: its process, and when it began. */
function waiting(): Promise<{ pid: number; since: string }> {
  return eventually('a transaction came to wait', async () => {
    const [found] = await service.db.sql<{ pid: number; since: string }[]>`
      select pid, xact_start::text as since from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`;
    return found;
  });
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 25_000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found !== undefined) return found;
    await delay(10);
  }
  throw new Error(`it took too long until ${what}`);
}

const actions = async (target: string) => {
  const { data } = await service.client().auditEvents({ target });
  return data.map((event) => event.action);
};

describe('a caller that hangs up before the commit', () => {
  it('leaves no token behind', async () => {
    await hangUpBeforeCommit('/v1/tokens', MINT);
    const { data } = await service.client().tokens.list();
    expect(data.filter((token) => token.name === MINT.name)).toEqual([]);
  });

  it('leaves no claim to its Idempotency-Key', async () => {
    await hangUpBeforeCommit('/v1/tokens', MINT, 'idempotency-key: hung-up');
    const minted = await service.client().tokens.mint({ ...MINT, name: 'another body' }, 'hung-up');
    expect(minted.name).toBe('another body');
  });

  it('leaves no successor behind', async () => {
    const { id } = await service.seedToken();
    await hangUpBeforeCommit(`/v1/tokens/${id}/rotate`, {});
    expect(await service.client().tokens.show(id)).toMatchObject({ status: 'active', rotated_to: null });
    expect(await actions(id)).toEqual(['token.minted']);
  });

  it('does not kill the secret that another answer gave', async () => {
    const { id } = await service.seedToken();
    const next = await service.client().tokens.rotate(id);
    await hangUpBeforeCommit(`/v1/tokens/${id}/rotate`, {});
    expect(await service.client().introspect(next.token)).toMatchObject({ active: true });
    expect(await actions(next.id)).toEqual(['token.minted']);
  });

  it('has revoked all the same what it asked to revoke: that is never taken back', async () => {
    const { id, token } = await service.seedToken();
    await hangUpBeforeCommit(`/v1/tokens/${id}/revoke`, { reason: 'leaked' });
    expect(await service.client().introspect(token)).toEqual({ active: false });
  });
});
