import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, meResource, workflowResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const { token } = looseToken();

async function run(args: readonly string[], input = '') {
  return await commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: token }, input });
}

const put = () => service.received.filter(({ route }) => route.startsWith('PUT ')).map(({ body }) => JSON.parse(body));

describe('workflow set', () => {
  test('changes what is named and keeps the rest', async () => {
    const current = workflowResource();
    service.follow(() => ({ status: 200, body: current }));
    const outcome = await run(['workflow', 'set', 'codex-review', '--expiry-days', '7', '--ref', 'refs/heads/*']);
    expect(outcome).toMatchObject({ code: 0, stderr: 'codex-review is changed.\n' });
    expect(put()).toEqual([
      {
        description: 'reviews',
        allowed_scopes: ['repo:read', 'codex:exec'],
        allowed_expiry_days: [7],
        constraints: { repositories: ['acme/*'], refs: ['refs/heads/*'] },
        max_run_seconds: 21_600,
      },
    ]);
  });

  test('lifts a constraint', async () => {
    service.follow(() => ({ status: 200, body: workflowResource() }));
    await run(['workflow', 'set', 'codex-review', '--lift', 'ref', '--json']);
    expect(put()).toEqual([expect.objectContaining({ constraints: { repositories: ['acme/*'] } })]);
    expect(await run(['workflow', 'set', 'w', '--lift', 'ref', '--ref', 'refs/tags/*'])).toMatchObject({ code: 2 });
  });

  const TRANSFER = { rule: 'transfer', successor_id: 'mem_01KfUXmCbVYz8sQ2dW3nRk', window_days: 7 } as const;
  test.each([
    [['--leaver', 'freeze'], null, { rule: 'freeze' }],
    [
      ['--leaver', 'transfer', '--successor', TRANSFER.successor_id, '--window-days', '7'],
      { rule: 'revoke' } as const,
      TRANSFER,
    ],
    [['--window-days', '30'], TRANSFER, { ...TRANSFER, window_days: 30 }],
    [['--leaver', 'transfer'], TRANSFER, TRANSFER],
    [['--leaver', 'none'], TRANSFER, undefined],
    [[], TRANSFER, TRANSFER],
  ])('%j sets what becomes of the tokens of who leaves', async (args, leaver, wanted) => {
    service.follow(() => ({ status: 200, body: workflowResource({ leaver }) }));
    expect(await run(['workflow', 'set', 'codex-review', ...args, '--json'])).toMatchObject({ code: 0 });
    expect(put()[0]?.leaver).toEqual(wanted);
  });

  test.each([
    [['--reuse-rule', 'revoke'], 'alarm', 'revoke'],
    [['--reuse-rule', 'alarm'], 'revoke', undefined],
    [['--description', 'new'], 'revoke', 'revoke'],
    [['--description', 'new'], 'alarm', undefined],
  ] as const)('%j sets what the use of a dead secret does, beside %j', async (args, reuse_rule, wanted) => {
    service.follow(() => ({ status: 200, body: workflowResource({ reuse_rule }) }));
    const shown = expect.stringContaining(`when a dead secret is used\t${reuse_rule}\n`);
    expect(await run(['workflow', 'set', 'codex-review', ...args])).toMatchObject({ code: 0, stdout: shown });
    expect(put()[0]?.reuse_rule).toEqual(wanted);
  });

  test('takes no other rule for a dead secret', async () => {
    expect(await run(['workflow', 'set', 'w', '--reuse-rule', 'ask'])).toMatchObject({ code: 2 });
  });

  test.each([
    [['--contact', 'ops@acme.example', 'lead@acme.example'], [], ['ops@acme.example', 'lead@acme.example']],
    [['--description', 'new'], ['ops@acme.example'], ['ops@acme.example']],
    [['--contact', 'none'], ['ops@acme.example'], undefined],
    [['--description', 'new'], [], undefined],
  ])('%j sets who hears of its tokens, beside %j', async (args, contacts, wanted) => {
    service.follow(() => ({ status: 200, body: workflowResource({ contacts }) }));
    expect(await run(['workflow', 'set', 'codex-review', ...args])).toMatchObject({
      code: 0,
      stdout:
        contacts.length === 0 ? expect.not.stringContaining('contacts') : expect.stringContaining(contacts.join(' ')),
    });
    expect(put()[0]?.contacts).toEqual(wanted);
  });

  const KEPT = { name: 'b', into: ['vault:kv/b#token'], every_days: 30 };
  const ROTATED = { name: 'a', into: ['github:acme/api/TOKEN'], if_expires_within_days: 7 };
  test.each([
    [['--rotate-into', ...ROTATED.into, '--rotate-name', 'a', '--rotate-before', '7'], [KEPT], [KEPT, ROTATED]],
    [
      ['--rotate-name', 'a', '--rotate-every', '9'],
      [ROTATED, KEPT],
      [{ ...ROTATED, every_days: 9 }, KEPT],
    ],
    [
      ['--rotate-into', 'vault:kv/c#token', '--rotate-name', 'b'],
      [ROTATED, KEPT],
      [ROTATED, { ...KEPT, into: ['vault:kv/c#token'] }],
    ],
    [['--rotate-into', 'none', '--rotate-name', 'a'], [ROTATED, KEPT], [KEPT]],
    [['--rotations', 'none'], [ROTATED, KEPT], undefined],
    [['--rotations', '-'], [KEPT], [ROTATED]],
    [['--description', 'new'], [KEPT], [KEPT]],
    [['--description', 'new'], [], undefined],
  ])('%j sets where its secrets live, beside %j', async (args, rotations, wanted) => {
    service.follow(() => ({ status: 200, body: workflowResource({ rotations }) }));
    const outcome = await run(['workflow', 'set', 'codex-review', ...args], JSON.stringify([ROTATED]));
    const line = rotations.includes(KEPT) ? 'rotated\tb into vault:kv/b#token, every 30 d\n' : 'label';
    expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining(line) });
    expect(put()[0]?.rotations).toEqual(wanted);
  });

  test.each([
    [['--rotate-into', 'vault:kv/a#token'], 'say when'],
    [['--rotate-every', '7'], 'say where'],
    [['--rotations', '-', '--rotate-every', '7'], 'replaces the whole list'],
    [['--rotations', '-'], '0.into.0 must not be a file or a command'],
    [['--leaver', 'transfer'], '--leaver transfer needs --successor'],
    [['--leaver', 'freeze', '--window-days', '7'], '--window-days goes with --leaver transfer'],
    [['--successor', 'ada@example.com'], '--successor goes with --leaver transfer'],
  ])('%j is no rule for leavers or for rotation', async (args, message) => {
    service.follow(() => ({ status: 200, body: workflowResource() }));
    const list = [{ into: ['file:/etc/cron.d/x'], every_days: 1 }];
    const outcome = await run(['workflow', 'set', 'codex-review', ...args], JSON.stringify(list));
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
    expect(put()).toEqual([]);
  });

  test('makes what is not there, with the defaults of the service', async () => {
    const made = workflowResource({ label: 'nightly' });
    service.follow(({ route }) =>
      route.startsWith('GET ') ? problem(404, 'not-found', 'no such workflow') : { status: 201, body: made },
    );
    const outcome = await run(['workflow', 'set', 'nightly', '--allow-scope', 'repo:*', '--max-run-seconds', '60']);
    expect(outcome).toMatchObject({ code: 0, stderr: 'nightly is made.\n' });
    expect(put()).toEqual([{ allowed_scopes: ['repo:*'], constraints: {}, max_run_seconds: 60 }]);
  });
});

describe('workflow', () => {
  test('list, show, pause and resume', async () => {
    const paused = workflowResource({ status: 'paused', paused_at: '2026-03-02T10:00:00.000Z' });
    service.follow(({ route }) =>
      route === 'GET /v1/workflows'
        ? { status: 200, body: { data: [paused], next_cursor: null } }
        : { status: 200, body: paused },
    );
    const list = await run(['workflow', 'list']);
    expect(list.stdout).toBe('codex-review\tpaused\trepo:read codex:exec\t7 30\treviews\n');
    expect((await run(['workflow', 'show', 'codex-review'])).stdout).toContain('repositories\tacme/*\n');
    expect(await run(['workflow', 'pause', 'codex-review', '--json'])).toMatchObject({
      code: 0,
      stdout: `${JSON.stringify(paused)}\n`,
    });
    expect(await run(['workflow', 'resume', 'codex-review'])).toMatchObject({ code: 0, stdout: '' });
    expect(service.received.map(({ route }) => route)).toEqual([
      'GET /v1/workflows',
      'GET /v1/workflows/codex-review',
      'GET /v1/policy',
      'POST /v1/workflows/codex-review/pause',
      'POST /v1/workflows/codex-review/resume',
    ]);
  });
});

describe('member', () => {
  test('add prints the invitation alone; accept trades it for a login', async () => {
    const invitation = looseToken().token;
    const signIn = looseToken().token;
    service.follow(({ route }) => {
      if (route === 'POST /v1/members') return { status: 201, body: { ...ADA, status: 'invited', invitation } };
      if (route === 'POST /v1/members/accept') return { status: 201, body: { ...ADA, token: signIn } };
      return { status: 200, body: meResource() };
    });
    const added = await run(['member', 'add', ADA.email, '--role', 'auditor', '--name', 'Ada']);
    expect(added).toMatchObject({ code: 0, stdout: `${invitation}\n` });
    expect(JSON.parse(service.received[0]?.body ?? '')).toEqual({ email: ADA.email, name: 'Ada', role: 'auditor' });

    const env = { COUNTERSIGN_URL: service.url };
    const guest = commandLineHere(temporaryDirectory());
    const accepted = await guest(['member', 'accept', '--json'], { env, input: added.stdout });
    expect(accepted.code).toBe(0);
    expect(JSON.parse(accepted.stdout)).toEqual({ ...ADA, url: service.url });
    expect(accepted.stdout + accepted.stderr).not.toContain('cst_');
    const [accept] = service.received.filter(({ route }) => route === 'POST /v1/members/accept');
    expect(accept?.headers.authorization).toBe(`Bearer ${invitation}`);
    await guest(['whoami']);
    expect(service.received.at(-1)?.headers.authorization).toBe(`Bearer ${signIn}`);
  });

  test('is in with the answer to accept, whatever becomes of the next', async () => {
    const invitation = looseToken().token;
    service.follow(({ route }) => {
      if (route === 'POST /v1/members/accept') return { status: 201, body: { ...ADA, token: looseToken().token } };
      return { status: 500 };
    });
    const guest = commandLineHere(temporaryDirectory());
    const accepted = await guest(['member', 'accept'], { env: { COUNTERSIGN_URL: service.url }, input: invitation });
    expect(accepted.code).toBe(0);
    expect(accepted.stderr).toContain('Welcome');
  });

  test('is named by e-mail address or id', async () => {
    service.follow(({ route }) => {
      if (route === 'GET /v1/members') return { status: 200, body: { data: [ADA], next_cursor: null } };
      return route.startsWith('DELETE') ? { status: 204 } : { status: 200, body: ADA };
    });
    expect(await run(['member', 'set-role', ADA.email, 'admin'])).toMatchObject({ code: 0 });
    expect(await run(['member', 'suspend', ADA.id])).toMatchObject({ code: 0 });
    expect(await run(['member', 'reactivate', ADA.id, '--json'])).toMatchObject({
      code: 0,
      stdout: `${JSON.stringify(ADA)}\n`,
    });
    expect(await run(['member', 'remove', ADA.email])).toMatchObject({ code: 0 });
    expect((await run(['member', 'list'])).stdout).toContain(`${ADA.id}\t${ADA.email}\tAda\towner\tactive\t`);
    expect(service.received.map(({ route }) => route)).toEqual([
      'GET /v1/members',
      `PATCH /v1/members/${ADA.id}`,
      `POST /v1/members/${ADA.id}/suspend`,
      `POST /v1/members/${ADA.id}/reactivate`,
      'GET /v1/members',
      `DELETE /v1/members/${ADA.id}`,
      'GET /v1/members',
    ]);
  });
});
