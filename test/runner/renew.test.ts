import type { ServerResponse } from 'node:http';
import { describe, type TestContext, test } from 'vitest';
import { ground, guard } from './harness.js';
import { allow, json, leased, problem, run } from './scripted-service.js';
import { FAULTS, REFUSALS } from './service-faults.js';

const SLEEP = ['sh', '-c', 'echo up; exec sleep 1000'];

/** A service that allows with a lease so short that it is renewed all the time. */
async function leasing(onTestFinished: TestContext['onTestFinished']) {
  const { service, elsewhere, checkId } = await ground(onTestFinished);
  service.check = (response) => json(response, 200, allow(leased(checkId, 0.3)));
  const renewals: string[] = [];
  let onRenewal = () => {};
  const answer = (handler: (response: ServerResponse, n: number) => void) => {
    service.renew = (response, call) => {
      renewals.push(`${call.method} ${call.path}`);
      handler(response, renewals.length);
      onRenewal();
    };
  };
  answer((response) => json(response, 200, run(checkId)));
  const renewed = (times: number) =>
    new Promise<void>((resolve) => {
      onRenewal = () => {
        if (renewals.length >= times) resolve();
      };
      onRenewal();
    });
  return { service, elsewhere, checkId, renewals, renewed, answer };
}

describe.concurrent('the lease of a run', () => {
  test('outlasts the grace, and is renewed as long as the command runs', async ({ expect, onTestFinished }) => {
    const { service, checkId, renewals, renewed } = await leasing(onTestFinished);
    const { stderr, exitCode } = guard(service, { command: SLEEP, graceSeconds: 45.5 });
    await renewed(4);
    expect(service.calls[0]?.body).toMatchObject({ lease_seconds: 106 });
    expect(new Set(renewals)).toEqual(new Set([`POST /v1/exec/runs/${checkId.replace('chk_', 'run_')}/renew`]));
    (await service.watched()).end('event: stopped\ndata: {"reason":"too loud"}\n\n');
    expect(await exitCode).toBe(77);
    expect(stderr.text).toBe('countersign: stopping the command (stopped): the run was stopped: too loud\n');
    const count = renewals.length;
    await service.close();
    expect(renewals).toHaveLength(count);
  });

  test.for(['', 'data: {}\n', 'data: {"reason":7}\n', 'data: {"reason":"x"\n', 'data: [\ndata: ]\n'])(
    'ends with its run, whatever stands beside the word: %j',
    async (data, { expect, onTestFinished }) => {
      const { service } = await leasing(onTestFinished);
      const { stderr, exitCode } = guard(service, { command: SLEEP });
      (await service.watched()).end(`event: stopped\n${data}\n`);
      expect(await exitCode).toBe(77);
      expect(stderr.text).toBe('countersign: stopping the command (stopped): the run was stopped\n');
    },
  );

  test('is never longer than a day', async ({ expect, onTestFinished }) => {
    const { service } = await leasing(onTestFinished);
    const { exitCode } = guard(service, { command: ['true'], graceSeconds: 86_400 });
    expect(await exitCode).toBe(0);
    expect(service.calls[0]?.body).toMatchObject({ lease_seconds: 86_400 });
  });

  test('that is refused ends the job, with the reason', async ({ expect, onTestFinished }) => {
    const { service, answer } = await leasing(onTestFinished);
    answer((response) => {
      response.writeHead(409, { 'content-type': 'application/problem+json' });
      const said = { type: 'http://127.0.0.1/problems/conflict', title: 'Conflict', status: 409, instance: '/v1/x' };
      response.end(JSON.stringify({ ...said, detail: 'the run was stopped: too loud', code: 'run_state' }));
    });
    const { stderr, exitCode } = guard(service, { command: SLEEP });
    expect(await exitCode).toBe(77);
    expect(stderr.text).toBe('countersign: stopping the command (run_state): the run was stopped: too loud\n');
  });

  // A node that knows no runs yet answers 404.
  test.for(REFUSALS.filter((status) => status !== 404))('refused with %i: 77', async (status, context) => {
    const { service, answer } = await leasing(context.onTestFinished);
    answer((response) => problem(response, status, 'some_kind'));
    const { stderr, exitCode } = guard(service, { command: SLEEP });
    context.expect(await exitCode).toBe(77);
    context.expect(stderr.text).toContain('stopping the command (some_kind): because of some_kind\n');
  });

  test.for(FAULTS)('$title, for longer than the grace: 69', async ({ answer: fault }, { expect, onTestFinished }) => {
    const { service, elsewhere, answer } = await leasing(onTestFinished);
    answer((response) => fault(response, elsewhere.url));
    const { stderr, exitCode } = guard(service, { command: SLEEP, graceSeconds: 0.4, checkTimeoutSeconds: 2 });
    expect(await exitCode).toBe(69);
    expect(stderr.text).toMatch(/lost the service, trying for 0.4 s to get it back: .+\n/);
    expect(stderr.text).toMatch(
      /stopping the command \(unreachable\): the service has been out of reach for 0.4 s: .+\n/,
    );
    expect(elsewhere.calls).toEqual([]);
  });

  const LIES: readonly (readonly [title: string, body: (checkId: string) => unknown])[] = [
    ['another run', () => run('chk_0000000000000000000000')],
    ['a run that is over', (checkId) => run(checkId, { status: 'lost' })],
    ['half a run', (checkId) => ({ run_id: checkId, status: 'running' })],
    ['nothing', () => null],
  ];
  test.for(LIES)('is not renewed by %s: 69', async ([, body], { expect, onTestFinished }) => {
    const { service, checkId, answer } = await leasing(onTestFinished);
    answer((response) => json(response, 200, body(checkId)));
    const { exitCode } = guard(service, { command: SLEEP, graceSeconds: 0 });
    expect(await exitCode).toBe(69);
  });

  test('comes back within the grace, whatever was answered meanwhile', async ({ expect, onTestFinished }) => {
    const { service, checkId, answer, renewed } = await leasing(onTestFinished);
    const outage = [503, 500, 404, 429];
    answer((response, n) => {
      const status = outage[n - 2];
      if (status === undefined) json(response, 200, run(checkId));
      else problem(response, status, 'some_kind');
    });
    const { stderr, exitCode } = guard(service, { command: SLEEP });
    await renewed(7);
    await stderr.shows('the service is back');
    (await service.watched()).end('event: revoked\ndata: {}\n\n');
    expect(await exitCode).toBe(77);
    expect(stderr.text.match(/lost the service/g)).toHaveLength(1);
  });

  test('and the watch lose the service together: that is told once', async ({ expect, onTestFinished }) => {
    const { service, checkId, answer, renewed } = await leasing(onTestFinished);
    let isDown = false;
    const orDown = (act: (response: ServerResponse) => void) => (response: ServerResponse) =>
      isDown ? void response.destroy() : act(response);
    const watch = service.watch;
    service.watch = (response, call) => (isDown ? void response.destroy() : watch(response, call));
    answer(orDown((response) => json(response, 200, run(checkId))));
    const { stderr, exitCode } = guard(service, { command: SLEEP });
    await service.watched();
    await renewed(1);
    isDown = true;
    service.cut();
    await renewed(5);
    await service.watched(3);
    isDown = false;
    await stderr.shows('the service is back');
    expect(stderr.text.match(/lost the service/g)).toHaveLength(1);
    const last = service.calls.filter((call) => call.path.endsWith('/watch')).length;
    (await service.watched(last)).end('event: revoked\ndata: {}\n\n');
    expect(await exitCode).toBe(77);
  });

  test('is not asked for twice where the service knows none', async ({ expect, onTestFinished }) => {
    const { service, renewals } = await leasing(onTestFinished);
    const allowed = allow({ check_id: String(leased(`chk_${'1'.repeat(22)}`, 1)['check_id']) });
    service.check = (response, call) => {
      if (!JSON.stringify(call.body).includes('lease_seconds')) return json(response, 200, allowed);
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      const errors = [{ pointer: '#/lease_seconds', detail: 'is not known here' }];
      const type = 'http://127.0.0.1/problems/invalid';
      return response.end(JSON.stringify({ type, title: 'no', status: 422, detail: 'no', instance: '/v1/x', errors }));
    };
    const { stderr, exitCode } = guard(service, { command: ['sh', '-c', 'exit 4'] });
    expect(await exitCode).toBe(4);
    expect(stderr.text).toBe('');
    expect(service.calls.filter((call) => call.path === '/v1/exec/checks').map((call) => call.body)).toMatchObject([
      { lease_seconds: 120 },
      { workflow: 'tests' },
    ]);
    expect(renewals).toEqual([]);
  });

  const HALVES: readonly (readonly [title: string, members: Record<string, unknown>])[] = [
    ['a run without a lease', { run_id: 'run_0000000000000000000000' }],
    ['a lease without a run', { lease_ends_at: '2031-05-01T00:02:00Z' }],
    ['a run that has no id', { run_id: '../../tokens', lease_ends_at: '2031-05-01T00:02:00Z' }],
    ['a lease that has ended', { run_id: 'run_0000000000000000000000', lease_ends_at: '2031-05-01T00:00:00Z' }],
  ];
  test.for(HALVES)('that is none starts nothing: %s', async ([, members], { expect, onTestFinished }) => {
    const { service, checkId } = await leasing(onTestFinished);
    service.check = (response) => json(response, 200, allow({ check_id: checkId, ...members }));
    const { stdout, exitCode } = guard(service, { command: ['echo', 'started'] });
    expect(await exitCode).toBe(69);
    expect(stdout.text).toBe('');
  });
});
