import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

let service: TestService;
beforeAll(async () => {
  service = await createTestService();
});
afterAll(() => service.close());

const scrape = () => send(service, 'GET', '/metrics', { token: null });
const seriesOf = (text: string) =>
  text
    .split('\n')
    .flatMap((line) => (line === '' || line.startsWith('#') ? [] : [line.slice(0, line.lastIndexOf(' '))]));

/** One round of requests, each with paths, ids, tokens, labels and methods of its own. */
async function round(n: number): Promise<void> {
  for (let at = 0; at < 20; at += 1) {
    const noise = `${n}-${at}-${Math.random().toString(36).slice(2)}`;
    const now = service.clock.now();
    const token = printToken({ id: newId('tok', now), tokenSecret: newTokenSecret() });
    await send(service, 'GET', `/${noise}`);
    await send(service, 'GET', `/v1/${noise}?x=${noise}`);
    await send(service, 'GET', '/v1/me', { token });
    await send(service, 'GET', `/v1/tokens/tok_${noise}`);
    await send(service, 'GET', `/v1/workflows/${noise}`);
    await send(service, 'PUT', `/v1/workflows/w${noise}`, { json: {} });
    await send(service, 'GET', `/problems/${noise}`);
    await send(service, 'POST', '/oauth2/introspect', { form: `token=${token}` });
    await send(service, 'POST', '/oauth2/revoke', { form: `token=${token}`, token: null });
    await send(service, 'POST', '/v1/exec/checks', { json: { token, workflow: `w${noise}` } });
    await send(service, `X${noise}`.slice(0, 20), '/v1/me');
    await send(service, `Y${noise}`.slice(0, 20), `/${noise}`);
  }
}

describe('the figures', () => {
  it('are in the text format of Prometheus', async () => {
    const { status, headers, text } = await scrape();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const name of [
      'countersign_http_request_seconds',
      'countersign_introspections_total',
      'countersign_exec_checks_total',
      'countersign_tokens_total',
      'countersign_lookup_queue',
      'countersign_watches',
      'process_resident_memory_bytes',
    ]) {
      expect(text).toMatch(new RegExp(`^# TYPE ${name} `, 'm'));
    }
  });

  it('do not grow in number with paths, ids, tokens, labels and methods', async () => {
    await round(0);
    const before = seriesOf((await scrape()).text);
    await round(1);
    await round(2);
    const after = (await scrape()).text;
    // Node's own kinds make series too: of garbage collections that had not happened yet, of what is under way just now.
    const ours = seriesOf(after).filter((one) => !/^nodejs_(gc_duration_seconds|active_)/.test(one));
    expect(ours.filter((one) => !before.includes(one))).toEqual([]);
    expect(after).not.toMatch(/cst_|tok_|ws_|mem_|@/);
    expect(after).not.toContain(service.owner.workspace.slug);
  });

  it('count what was done', async () => {
    const value = async (name: string) =>
      Number(
        (await scrape()).text
          .split('\n')
          .find((line) => line.startsWith(name))
          ?.split(' ')
          .at(-1) ?? 0,
      );
    const minted = await value('countersign_tokens_total{act="minted"}');
    const revoked = await value('countersign_tokens_total{act="revoked"}');
    const active = await value('countersign_introspections_total{active="true"}');
    const denied = await value('countersign_exec_checks_total{decision="deny"}');
    const { token } = await service.seedToken();
    await service.client().introspect(token);
    await service.client(token).execChecks.check({ workflow: 'other' });
    await service.client(null).revoke(token);
    await service.client(null).revoke(token);
    expect(await value('countersign_tokens_total{act="minted"}')).toBe(minted + 1);
    expect(await value('countersign_tokens_total{act="revoked"}')).toBe(revoked + 1);
    expect(await value('countersign_introspections_total{active="true"}')).toBe(active + 1);
    expect(await value('countersign_exec_checks_total{decision="deny"}')).toBe(denied + 1);
  });
});
