import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createAdaptorServer } from '@hono/node-server';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { askGuard } from '../../src/hook/ask-guard.js';
import { HOOK_EVENTS, type HookEventName } from '../../src/hook/event-name.js';
import { openHookGuard } from '../../src/runner/hook-guard.js';
import { commandLine, MAIN, temporaryDirectory } from '../cli/command-line.js';
import { eventOf, eventText } from '../hook/events.js';
import { type AgentOptions, runAgent } from '../hook/fake-agent.js';
import { freePort } from '../setup/free-port.js';
import { createTestService, type TestService } from '../setup/service.js';
import { eventually, ground, guard, guardProcess } from './harness.js';

const FAKE_AGENT = fileURLToPath(new URL('../hook/fake-agent.ts', import.meta.url));

let service: TestService;
let server: Server;
let url: string;
/** What stands between the guard and the service; a test may put something else there. */
let inWay: ((request: Request) => Response | Promise<Response> | undefined) | undefined;

beforeAll(async () => {
  service = await createTestService();
  const fetch = (request: Request, env: object) => inWay?.(request) ?? service.service.app.fetch(request, env);
  server = createAdaptorServer({ fetch }) as Server;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  service.service.drain();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await service.close();
});

let count = 0;

/** A job under the guard that says where its hooks ask, and goes on until its standard input, a file, has a word. */
async function job(over: { command?: string[]; creator?: string } = {}) {
  count += 1;
  const workflow = `agent-${count}`;
  await service.makeWorkflow(workflow);
  const mint = { workflow, scopes: ['codex:exec'], expires_in_days: 7 };
  const minted = await service.client(over.creator).tokens.mint(mint);
  const end = join(temporaryDirectory(), 'end');
  const script = `echo "at $COUNTERSIGN_GUARD_SOCKET."; until test -e '${end}'; do sleep 0.05; done`;
  const command = over.command ?? ['sh', '-c', script];
  const env = { PATH: process.env['PATH'], COUNTERSIGN_TOKEN: minted.token, COUNTERSIGN_GUARD_SOCKET: '/nonexistent' };
  const run = guard(
    { url },
    { command, token: minted.token, workflow, scopes: ['codex:exec'], env, killAfterSeconds: 1 },
  );
  const finish = async () => {
    writeFileSync(end, '');
    return await run.exitCode;
  };
  onTestFinished(async () => {
    inWay = undefined;
    await finish();
  });
  const socket = async () => {
    await run.stdout.shows('.\n');
    return /at (.*)\.\n/.exec(run.stdout.text)?.[1] ?? '';
  };
  return { ...run, workflow, token: minted.token, id: minted.id, finish, socket };
}

const ask = (socket: string, name: HookEventName, over: Record<string, unknown> = {}) =>
  askGuard(socket, { event: eventOf(name, over) });

describe('hooks under the guard', () => {
  test('are answered while the run is live, and the socket goes with it', async () => {
    const run = await job();
    const socket = await run.socket();
    for (const name of HOOK_EVENTS) expect(await ask(socket, name)).toEqual({ verdict: 'silent' });
    expect(await ask(socket, 'PreToolUse', { tool_name: undefined })).toMatchObject({ verdict: 'deny' });
    expect(await run.finish()).toBe(0);
    expect(existsSync(socket)).toBe(false);
    expect(await ask(socket, 'PreToolUse')).toMatchObject({ verdict: 'deny' });
  });

  test('follow the tool rules as they are at that moment', async () => {
    const run = await job();
    const socket = await run.socket();
    const put = (verdict: 'allow' | 'deny' | 'ask') =>
      service.client().workflows.putToolRules(run.workflow, { default: 'allow', rules: [{ verdict, tool: 'Bash' }] });
    await put('deny');
    expect(await ask(socket, 'PreToolUse')).toMatchObject({
      verdict: 'deny',
      reason: expect.stringContaining('rule 0'),
    });
    await put('allow');
    expect(await ask(socket, 'PreToolUse')).toEqual({ verdict: 'silent' });
    expect(await ask(socket, 'PermissionRequest')).toEqual({ verdict: 'allow' });
    await put('ask');
    expect(await ask(socket, 'PreToolUse')).toMatchObject({ verdict: 'deny' });
    expect(await ask(socket, 'PermissionRequest')).toEqual({ verdict: 'silent' });
  });

  test('go on when the token is superseded, as the run does', async () => {
    const run = await job();
    const socket = await run.socket();
    await service.client().tokens.rotate(run.id, { overlap_seconds: 0 });
    for (const name of HOOK_EVENTS) expect(await ask(socket, name)).toEqual({ verdict: 'silent' });
  });

  test('deny a secret that never leaves the machine', async () => {
    const run = await job();
    const seen: string[] = [];
    inWay = (request) => {
      void request
        .clone()
        .text()
        .then((text) => seen.push(text));
      return undefined;
    };
    const ruling = await ask(await run.socket(), 'PreToolUse', { tool_input: { command: `curl -d ${run.token} x` } });
    expect(ruling).toMatchObject({ verdict: 'deny', reason: expect.stringContaining(run.id) });
    expect(JSON.stringify(ruling)).not.toContain(run.token.slice(27));
    expect(seen.join()).not.toContain('curl');
  });

  const ENDS: [string, (run: Awaited<ReturnType<typeof job>>) => Promise<unknown>][] = [
    ['a revocation', (run) => service.client().tokens.revoke(run.id, { reason: 'leaked' })],
    ['a pause', (run) => service.client().workflows.pause(run.workflow)],
  ];
  test.each(ENDS)('deny everything once %s was answered', async (_, end) => {
    const run = await job();
    const socket = await run.socket();
    await end(run);
    for (const name of HOOK_EVENTS) expect(await ask(socket, name)).toMatchObject({ verdict: 'deny' });
    expect(await run.exitCode).toBe(77);
  });

  const ANSWERS: [string, () => Response | Promise<Response>][] = [
    ['is failing', () => new Response('oops', { status: 500 })],
    [
      'is busy',
      () => Response.json({ type: 'x', title: 'x', status: 503, detail: 'x', instance: 'x' }, { status: 503 }),
    ],
    [
      'says no',
      () => Response.json({ type: 'x', title: 'x', status: 409, detail: 'x', instance: 'x' }, { status: 409 }),
    ],
    ['is a captive portal', () => new Response('<html>', { headers: { 'content-type': 'text/html' } })],
    ['redirects', () => new Response(null, { status: 302, headers: { location: 'http://127.0.0.1:1/' } })],
    ['says too little', () => Response.json({ status: 'running' })],
    ['says nothing', () => new Response(null, { status: 204 })],
    ['never answers', () => new Promise(() => undefined)],
  ];
  test('deny everything while the service does not answer as it should', async () => {
    const run = await job();
    const socket = await run.socket();
    for (const [fault, answer] of ANSWERS) {
      inWay = (request) => (/renew|tool-rules/.test(request.url) ? answer() : undefined);
      const rulings = await Promise.all(HOOK_EVENTS.map((name) => ask(socket, name)));
      expect([fault, ...rulings.map(({ verdict }) => verdict)]).toEqual([fault, ...HOOK_EVENTS.map(() => 'deny')]);
      inWay = undefined;
      expect([fault, await ask(socket, 'PreToolUse')]).toEqual([fault, { verdict: 'silent' }]);
    }
  });

  test('deny everything where the service cannot be reached', async () => {
    // Nobody listens on the one; the other has a name that no resolver takes.
    for (const url of [`http://127.0.0.1:${await freePort()}`, `http://${'a'.repeat(64)}.example`]) {
      const notes: string[] = [];
      const hooks = await openHookGuard({
        url,
        token: 'cst_x',
        workflow: 'tests',
        runId: 'run_0123456789ABCDEFGHIJKL',
        now: () => new Date(),
        onNotRecorded: (detail) => void notes.push(detail),
      });
      for (const name of HOOK_EVENTS) expect(await ask(hooks.socketPath, name)).toMatchObject({ verdict: 'deny' });
      await hooks.close();
      expect(notes).toHaveLength(1);
    }
  });

  test('deny a tool while its rules alone cannot be read', async () => {
    const run = await job();
    const socket = await run.socket();
    inWay = (request) =>
      request.url.includes('tool-rules') ? Response.json({ default: 'maybe', rules: [] }) : undefined;
    expect(await ask(socket, 'PreToolUse')).toMatchObject({
      verdict: 'deny',
      reason: expect.stringContaining('rules'),
    });
    expect(await ask(socket, 'Stop')).toEqual({ verdict: 'silent' });
  });

  test('deny where the service speaks of another run', async () => {
    const [run, other] = [await job(), await job()];
    const socket = await run.socket();
    await other.socket();
    const [foreign] = (await service.client().runs.list({ workflow: other.workflow })).data;
    inWay = (request) => (request.url.includes('renew') ? Response.json(foreign) : undefined);
    expect(await ask(socket, 'PreToolUse')).toMatchObject({ verdict: 'deny' });
  });

  test('reach the guard from the command itself', async () => {
    const events = temporaryDirectory();
    writeFileSync(join(events, 'event.json'), eventText('PreToolUse'));
    const script = `"${process.execPath}" "${MAIN}" hook --event PreToolUse < "${events}/event.json"; echo "code $?"`;
    const run = await job({ command: ['sh', '-c', script] });
    expect(await run.exitCode).toBe(0);
    expect(run.stdout.text).toBe('code 0\n');
  });
});

test('a killed guard answers no hook, and its socket goes too', async () => {
  const { service: scripted, directory } = await ground(onTestFinished);
  const command = ['sh', '-c', 'echo "at $COUNTERSIGN_GUARD_SOCKET."; sleep 1000'];
  const run = guardProcess(scripted, {}, command, { TMPDIR: directory });
  await run.stdout.shows('.\n');
  const socket = /at (.*)\.\n/.exec(run.stdout.text)?.[1] ?? '';
  expect(existsSync(socket)).toBe(true);
  run.process.kill('SIGKILL');
  await run.ended;
  expect((await ask(socket, 'PreToolUse')).verdict).toBe('deny');
  await eventually(() => !existsSync(dirname(socket)) || undefined);
});

describe('an agent whose hooks are set up', () => {
  async function agent(over: Partial<AgentOptions> = {}) {
    const home = temporaryDirectory();
    await commandLine(home)(['hooks', 'install', '--agent', 'codex']);
    const options = { files: [join(home, '.codex/hooks.json')], makes: join(home, 'made'), ...over };
    const command = [process.execPath, '--import', import.meta.resolve('tsx'), FAKE_AGENT, JSON.stringify(options)];
    const run = await job({ command });
    const outcome = async () => {
      await run.exitCode;
      return [run.stderr.text.split('\n').find((line) => !line.startsWith('countersign')), existsSync(options.makes)];
    };
    return { ...run, outcome };
  }

  test('uses its tool under the guard, and nowhere else', async () => {
    expect(await (await agent()).outcome()).toEqual(['done', true]);
    const made = join(temporaryDirectory(), 'made');
    const home = temporaryDirectory();
    await commandLine(home)(['hooks', 'install', '--agent', 'codex']);
    expect(await runAgent({ files: [join(home, '.codex/hooks.json')], makes: made }, {})).toBe('no session');
    expect(existsSync(made)).toBe(false);
  });

  test('does not get a secret into its prompt or its tool', async () => {
    const token = (await service.seedToken()).token;
    const [prompt, input] = await Promise.all([
      agent({ prompt: `use ${token}` }),
      agent({ input: { command: token } }),
    ]);
    expect(await prompt.outcome()).toEqual(['no prompt', false]);
    expect(await input.outcome()).toEqual(['denied', false]);
  });

  test('is bound by the tool rules, and spares a person the question where a rule allows', async () => {
    const rules = { default: 'deny', rules: [{ verdict: 'allow', tool: 'Read' }] } as const;
    inWay = (request) => (request.url.endsWith('/tool-rules') ? Response.json(rules) : undefined);
    const [read, bash] = await Promise.all([agent({ tool: 'Read', asks: true }), agent({ tool: 'Bash', asks: true })]);
    expect(await read.outcome()).toEqual(['done', true]);
    expect(await bash.outcome()).toEqual(['denied', false]);
  });

  test('does nothing while the service fails', async () => {
    inWay = (request) => (request.url.endsWith('/renew') ? new Response('no', { status: 500 }) : undefined);
    expect(await (await agent()).outcome()).toEqual(['no session', false]);
  });
});

describe('what was decided', () => {
  const decisionsOf = async (workflow: string) => {
    const { data } = await service.client().execChecks.list({ workflow });
    const runId = (data[0]?.check_id ?? '').replace('chk_', 'run_');
    return (await service.client().runs.toolDecisions(runId)).data;
  };

  test('is on record with the run, without what was handed on', async () => {
    const run = await job();
    const socket = await run.socket();
    await service.client().workflows.putToolRules(run.workflow, {
      default: 'allow',
      rules: [{ verdict: 'ask', tool: 'Bash', reason: 'somebody has to look' }],
    });
    await ask(socket, 'SessionStart');
    await ask(socket, 'PreToolUse', { tool_name: 'Read' });
    await ask(socket, 'PreToolUse');
    await ask(socket, 'PermissionRequest');
    await ask(socket, 'UserPromptSubmit', { prompt: `here: ${run.token}` });
    await ask(socket, 'PreToolUse', { tool_name: run.token, tool_input: { command: run.token } });
    await ask(socket, 'Stop', { session_id: undefined });
    expect(await run.finish()).toBe(0);
    const decisions = (await decisionsOf(run.workflow)).toReversed();
    expect(decisions.map(({ event, tool, decision, code, rule }) => [event, tool, decision, code, rule])).toEqual([
      ['SessionStart', null, 'allow', 'run_live', null],
      ['PreToolUse', 'Read', 'allow', 'tool_default', null],
      ['PreToolUse', 'Bash', 'deny', 'tool_rule', 0],
      ['PermissionRequest', 'Bash', 'ask', 'tool_rule', 0],
      ['UserPromptSubmit', null, 'deny', 'secret', null],
      ['PreToolUse', '(a secret)', 'deny', 'secret', null],
      ['unknown', null, 'deny', 'malformed', null],
    ]);
    expect(decisions[3]?.detail).toBe('somebody has to look');
    expect(JSON.stringify(decisions)).not.toContain(run.token.slice(27, 60));
    expect(run.stderr.text).toBe('');
  });

  test('goes there in batches while the run goes on', async () => {
    const run = await job();
    const socket = await run.socket();
    const batches: number[] = [];
    inWay = (request) => {
      if (request.url.endsWith('/tool-decisions')) batches.push(Number(request.headers.get('content-length')));
      return undefined;
    };
    await Promise.all(Array.from({ length: 30 }, () => ask(socket, 'Stop')));
    await Promise.all(Array.from({ length: 30 }, () => ask(socket, 'Stop')));
    await expect.poll(() => decisionsOf(run.workflow), { timeout: 30_000 }).toHaveLength(50);
    await run.finish();
    expect(batches.length).toBeLessThanOrEqual(3);
    for (const bytes of batches) expect(bytes).toBeLessThan(65_536);
  });

  test('keeps no agent waiting where it cannot be put on record, and that is told once', async () => {
    const run = await job();
    const socket = await run.socket();
    inWay = (request) => (request.url.endsWith('/tool-decisions') ? new Response('no', { status: 500 }) : undefined);
    for (let at = 0; at < 60; at += 1) expect(await ask(socket, 'Stop')).toEqual({ verdict: 'silent' });
    expect(await run.finish()).toBe(0);
    expect(run.stderr.text.match(/not all on record/g)).toHaveLength(1);
  });

  test('is sent again when the service is back', async () => {
    const run = await job();
    const socket = await run.socket();
    let refused = 0;
    inWay = (request) => {
      const isFirst = request.url.endsWith('/tool-decisions') && refused++ === 0;
      return isFirst ? new Response('no', { status: 503 }) : undefined;
    };
    await ask(socket, 'Stop');
    await expect.poll(() => refused, { timeout: 30_000 }).toBeGreaterThan(0);
    await run.finish();
    expect(await decisionsOf(run.workflow)).toHaveLength(1);
  });
});
