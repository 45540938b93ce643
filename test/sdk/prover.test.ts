import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, createClient, createProver, generateProofKey, ProblemError } from '../../src/sdk/index.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('flow', { allowed_scopes: ['codex:*'] });
});
afterAll(() => service.close());

/** A host with a key and, once it is approved, a token; `sent` has the status of each request that it made. */
async function enrolled(name: string) {
  const prover = await createProver(await generateProofKey());
  const sent: number[] = [];
  const counting: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    sent.push(response.status);
    return response;
  };
  const asking = createClient({ url: service.url, prover, fetch: counting });
  const { id, user_code, thumbprint } = await asking.enrolments.enrol({ name });
  expect(thumbprint).toBe(prover.thumbprint);
  await service.client().enrolments.approve({ user_code });
  const redeemed = await asking.enrolments.redeem(id);
  if (!('token' in redeemed)) throw new Error('not approved');
  const host = (token: string | (() => Promise<string>) = redeemed.token): Client =>
    createClient({ url: service.url, token, prover, fetch: counting });
  return { ...redeemed, host, sent };
}

describe('a client with a key', () => {
  it('enrols, is approved, fetches its token and uses it, asking twice the first time only', async () => {
    const { host, sent, runner } = await enrolled('build-1');
    expect(sent).toEqual([401, 201, 200]);
    const { token } = await service.seedToken({
      workflow: 'flow',
      scopes: ['codex:exec'],
      constraints: { runners: ['build-*'] },
    });
    const decision = await host().execChecks.check({ token, workflow: 'flow' });
    expect(decision.decision).toBe('allow');
    expect((await host().runners.show('self')).id).toBe(runner.id);
    expect((await host().introspect(token)).active).toBe(true);
    expect(sent.slice(3)).toEqual([200, 200, 200]);
  });

  it('goes on when the nonce is too old, and when the clocks are hours apart', async () => {
    const { host, sent } = await enrolled('wrong-clock');
    for (const seconds of [400, 5 * 3_600, -9 * 3_600]) {
      service.clock.advance(seconds);
      sent.length = 0;
      expect((await host().me()).token.workflow).toBe('countersign.runner');
      expect(sent).toEqual([401, 200]);
    }
  });

  it('asks many things at the same moment, each with a proof of its own', async () => {
    const { host } = await enrolled('busy');
    const client = host();
    await expect(Promise.all(Array.from({ length: 20 }, () => client.me()))).resolves.toHaveLength(20);
  });

  it('takes its token anew for each call, so that a rotation beside it does no harm', async () => {
    const { host, token } = await enrolled('rotating');
    let current = token;
    const client = host(async () => current);
    current = (await client.tokens.rotate('self', { overlap_seconds: 0 })).token;
    expect((await client.me()).token.rotated_from).not.toBeNull();
    await expect(host(token).me()).rejects.toMatchObject({ status: 401 });
  });

  it('is refused once and for all when it is suspended: no loop', async () => {
    const { host, runner, sent } = await enrolled('suspended');
    await host().me();
    await service.client().runners.suspend(runner.id);
    sent.length = 0;
    await expect(host().me()).rejects.toBeInstanceOf(ProblemError);
    expect(sent).toEqual([401]);
  });

  it('leaves, and is gone', async () => {
    const { host, runner } = await enrolled('leaving');
    await host().runners.remove('self');
    await expect(service.client().runners.show(runner.id)).resolves.toMatchObject({ status: 'removed' });
  });
});
