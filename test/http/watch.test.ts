import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parsePublicId } from '../../src/rules/format.js';
import { UnreachableError } from '../../src/sdk/index.js';
import type { WatchEvent } from '../../src/wire/resources.js';
import { createListeningService } from '../setup/listening.js';
import { open, send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

/** A job that was let through, with the open watch of it. */
interface Job {
  readonly id: string;
  readonly token: string;
  readonly checkId: string;
  readonly events: AsyncGenerator<WatchEvent>;
}

async function startJob(on: TestService = service, minted?: { id: string; token: string }): Promise<Job> {
  const { id, token } = minted ?? (await on.seedToken());
  const shown = await on.client(token).tokens.show('self');
  const { check_id } = await on.client(token).execChecks.check({ workflow: shown.workflow });
  return { id, token, checkId: check_id, events: await watch(on, token, check_id) };
}

/** Opens a watch; it is open when this returns. */
async function watch(
  on: Pick<TestService, 'client'>,
  token: string,
  checkId: string,
): Promise<AsyncGenerator<WatchEvent>> {
  const events = on.client(token).execChecks.watch(checkId);
  expect((await events.next()).value).toEqual({ type: 'alive' });
  return events;
}

async function told(events: AsyncGenerator<WatchEvent>): Promise<string | undefined> {
  for await (const event of events) if (event.type !== 'alive') return event.type;
  return undefined;
}

const gauge = async (on: TestService) =>
  Number(/^countersign_watches (\d+)$/m.exec((await send(on, 'GET', '/metrics')).text)?.[1]);

const heard = async () => /^countersign_notifications_heard 1$/m.test((await send(service, 'GET', '/metrics')).text);

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error('it did not come true in time');
    await nextTurn();
  }
}

describe('a watch is told', () => {
  it('revoked, when its holder revokes the token (RFC 7009)', async () => {
    const job = await startJob();
    await service.client(null).revoke(job.token);
    expect(await told(job.events)).toBe('revoked');
  });

  it('revoked, when a member revokes the token', async () => {
    const job = await startJob();
    await service.client().tokens.revoke(job.id, { reason: 'leaked' });
    expect(await told(job.events)).toBe('revoked');
  });

  it.each(['workflow', 'creator_id', 'lineage_id', 'issued_before', 'workspace'] as const)(
    'revoked, by a revocation of many by %s',
    async (by) => {
      const own = await createTestService();
      try {
        const job = await startJob(own);
        const { creator, lineage_id, workflow } = await own.client().tokens.show(job.id);
        own.clock.advance(1);
        const selections = {
          workflow: { workflow },
          creator_id: { creator_id: creator.id },
          lineage_id: { lineage_id },
          issued_before: { issued_before: own.clock.now().toISOString() },
          workspace: { workspace: true },
        } as const;
        await own.client().tokens.revokeMany({ reason: 'leaked', ...selections[by] });
        expect(await told(job.events)).toBe('revoked');
      } finally {
        await own.close();
      }
    },
  );

  it('paused, when the workflow is paused', async () => {
    await service.makeWorkflow('to-pause');
    const job = await startJob(service, await service.seedToken({ workflow: 'to-pause' }));
    await service.client().workflows.pause('to-pause');
    expect(await told(job.events)).toBe('paused');
  });

  it('suspended, when the creator is suspended, and revoked, when the creator is removed', async () => {
    for (const [act, word] of [
      ['suspend', 'suspended'],
      ['remove', 'revoked'],
    ] as const) {
      const member = await service.makeMember('admin');
      const minted = await service
        .client(member.token)
        .tokens.mint({ workflow: 'nightly', scopes: ['repo:read'], expires_in_days: 7 });
      const job = await startJob(service, minted);
      await service.client().members[act](member.id);
      expect(await told(job.events)).toBe(word);
    }
  });

  it('stopped, when its run is stopped, on every node, and each other run of the token goes on', async () => {
    const other = await createTestService({ database: service.database, keys: service.keys });
    try {
      const job = await startJob();
      const there = await watch(other, job.token, job.checkId);
      const sibling = await startJob(service, job);
      await service.client().runs.stop(job.checkId.replace('chk_', 'run_'));
      expect(await Promise.all([told(job.events), told(there)])).toEqual(['stopped', 'stopped']);
      expect(await told(await watch(service, job.token, job.checkId))).toBe('stopped');
      const loud = await startJob(service, job);
      await service.client().runs.stop(loud.checkId.replace('chk_', 'run_'), { reason: 'too loud: "\u2028"' });
      expect((await loud.events.next()).value).toEqual({ type: 'stopped', reason: 'too loud: "\u2028"' });
      const next = told(sibling.events);
      await service.client(null).revoke(job.token);
      expect(await next).toBe('revoked');
    } finally {
      await other.close();
    }
  });

  it('what happened to its runner: suspended, and revoked when it is removed', async () => {
    for (const [status, word] of [
      ['suspended', 'suspended'],
      ['removed', 'revoked'],
    ] as const) {
      const job = await startJob();
      const { sql } = service.db;
      const [runner] = await sql<{ id: string }[]>`
        insert into runners (workspace_id, id, name, labels, jkt, status, created_at, created_by)
        select workspace_id, gen_random_uuid(), ${word}, '{}', ${word}, 'active', now(), creator_id from tokens
        where id = ${parsePublicId('tok', job.id) ?? ''} returning id`;
      await sql`update exec_checks set runner_id = ${runner?.id ?? ''} where id = ${parsePublicId('chk', job.checkId) ?? ''}`;
      await sql`update runners set status = ${status} where id = ${runner?.id ?? ''}`;
      // Nobody is notified: it is read again by itself.
      expect(await told(job.events)).toBe(word);
    }
  });

  it('by another node on the same database', async () => {
    const other = await createTestService({ database: service.database, keys: service.keys });
    try {
      const job = await startJob();
      const there = await watch(other, job.token, job.checkId);
      await other.client(null).revoke(job.token);
      expect(await Promise.all([told(job.events), told(there)])).toEqual(['revoked', 'revoked']);
    } finally {
      await other.close();
    }
  });

  it('of its own token only', async () => {
    const job = await startJob();
    const other = await startJob();
    await service.client(null).revoke(other.token);
    expect(await told(other.events)).toBe('revoked');
    const next = told(job.events);
    await service.client(null).revoke(job.token);
    expect(await next).toBe('revoked');
  });

  it('at once, when it comes back after the revocation', async () => {
    const job = await startJob();
    await job.events.return(undefined);
    await service.client(null).revoke(job.token);
    expect(await told(await watch(service, job.token, job.checkId))).toBe('revoked');
  });

  it('by a runner that watches with a token of its own', async () => {
    const runner = await service.seedToken({ scopes: ['exec:check'] });
    const { token } = await service.seedToken();
    const { check_id } = await service.client(runner.token).execChecks.check({ token, workflow: 'nightly' });
    const events = await watch(service, runner.token, check_id);
    await service.client(null).revoke(token);
    expect(await told(events)).toBe('revoked');
  });
});

describe('a lost notification', () => {
  it('delays the word by seconds at most: the watch reads again by itself', async () => {
    const job = await startJob();
    // No NOTIFY is sent by this one.
    await service.db.sql`update tokens set revoked_at = now() where id = ${parsePublicId('tok', job.id) ?? ''}`;
    expect(await told(job.events)).toBe('revoked');
  });

  it('of a listener that was killed costs nothing', async () => {
    const job = await startJob();
    await until(heard);
    const killed = await service.db.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query ilike 'listen%'`;
    expect(killed.length).toBeGreaterThan(0);
    await service.client(null).revoke(job.token);
    expect(await told(job.events)).toBe('revoked');
    const again = await startJob();
    await service.client(null).revoke(again.token);
    expect(await told(again.events)).toBe('revoked');
  }, 60_000);

  it('ends when the listener is back, which the gauge shows', async () => {
    await until(heard);
  }, 60_000);
});

describe('what does not end a watch', () => {
  it('expiry and supersession: they end the right to start, not work under way', async () => {
    const own = await createTestService();
    try {
      const superseded = await own.seedToken({ expires_in_days: 7 });
      const job = await startJob(own, superseded);
      await own.client().tokens.rotate(superseded.id, { overlap_seconds: 0 });
      expect((await own.client().introspect(superseded.token)).active).toBe(false);
      const expired = await startJob(own, await own.seedToken({ expires_in_days: 7 }));
      // The owner's token of 7 days goes too: what follows is done in the database.
      own.clock.advance(8 * 86_400);
      expect((await send(own, 'GET', '/v1/me', { token: expired.token })).status).toBe(401);
      // Both can come back, too.
      const again = [await watch(own, job.token, job.checkId), await watch(own, expired.token, expired.checkId)];
      expect(await gauge(own)).toBe(4);
      for (const { token } of [job, expired]) await own.client(null).revoke(token);
      for (const events of [job.events, expired.events, ...again]) expect(await told(events)).toBe('revoked');
    } finally {
      await own.close();
    }
  });

  it('a keep-alive comment comes every 10 seconds', async () => {
    const { token } = await service.seedToken();
    const { check_id } = await service.client(token).execChecks.check({ workflow: 'nightly' });
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const response = await open(service, 'GET', `/v1/exec/checks/${check_id}/watch`, { token });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('text/event-stream');
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('x-request-id')).not.toBeNull();
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      expect((await reader?.read())?.value).toMatch(/^: .*\n\n$/);
      for (let i = 0; i < 3; i += 1) {
        vi.advanceTimersByTime(10_000);
        expect((await reader?.read())?.value).toBe(': keep-alive\n\n');
      }
      await reader?.cancel();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('there is nothing to watch', () => {
  it('of a denied and of a finished check', async () => {
    const { token } = await service.seedToken();
    const client = service.client(token);
    const denied = await client.execChecks.check({ workflow: 'other' });
    const finished = await client.execChecks.check({ workflow: 'nightly' });
    await client.execChecks.finish(finished.check_id, { exit_code: 0 });
    for (const { check_id } of [denied, finished]) {
      const { status, body } = await send(service, 'GET', `/v1/exec/checks/${check_id}/watch`, { token });
      expect([status, body['code']]).toEqual([409, 'check_state']);
    }
  });
});

describe('an open watch', () => {
  it('is freed when its reader goes away', async () => {
    const own = await createTestService();
    try {
      const job = await startJob(own);
      expect(await gauge(own)).toBe(1);
      await job.events.return(undefined);
      expect(await gauge(own)).toBe(0);
      const told = await startJob(own);
      await own.client(null).revoke(told.token);
      for await (const _ of told.events);
      expect(await gauge(own)).toBe(0);
    } finally {
      await own.close();
    }
  });

  it('is freed when its reader was gone before it opened', async () => {
    const own = await createTestService();
    try {
      const job = await startJob(own);
      await job.events.return(undefined);
      const gone = new AbortController();
      const answered = open(own, 'GET', `/v1/exec/checks/${job.checkId}/watch`, {
        token: job.token,
        signal: gone.signal,
      });
      gone.abort();
      await answered;
      expect(await gauge(own)).toBe(0);
    } finally {
      await own.close();
    }
  });

  it('is freed when its connection breaks', async () => {
    const listening = await createListeningService();
    try {
      const { token } = await listening.seedToken();
      const { check_id } = await listening.client(token).execChecks.check({ workflow: 'nightly' });
      const url = `${listening.url}/v1/exec/checks/${check_id}/watch`;
      const controllers = Array.from({ length: 5 }, () => new AbortController());
      for (const { signal } of controllers) {
        const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal });
        expect(response.status).toBe(200);
        await response.body?.getReader().read();
      }
      expect(await gauge(listening)).toBe(5);
      for (const controller of controllers) controller.abort();
      await until(async () => (await gauge(listening)) === 0);
    } finally {
      await listening.close();
    }
  }, 60_000);

  it('is ended without a word when the node drains, and so is one that comes after', async () => {
    const own = await createTestService();
    try {
      const job = await startJob(own);
      own.service.drain();
      await expect(told(job.events)).rejects.toThrow(UnreachableError);
      await expect(told(own.client(job.token).execChecks.watch(job.checkId))).rejects.toThrow(UnreachableError);
      expect(await gauge(own)).toBe(0);
    } finally {
      await own.close();
    }
  });
});
