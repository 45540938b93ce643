import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../setup/free-port.js';
import type { ListeningService } from '../setup/listening.js';
import { ACTION, runWorkflowStep } from './github-actions.js';
import { DEPLOY, makePlace, type Running, recipe, start } from './place.js';
import { expectNoTrace, makeJob, openWorld } from './world.js';
import { member, text } from './yaml.js';

let service: ListeningService;

beforeAll(async () => {
  service = await openWorld();
});

afterAll(async () => {
  await service.close();
});

const job = (over?: Parameters<typeof makeJob>[1]) => makeJob(service, over);
const run = './review.sh';

describe('the outputs of the action', () => {
  test('are those of a script that came to its own end', async () => {
    const { request, recorded } = await job({ env: { REVIEW_CODE: '5' } });
    const { code, outputs, summary, masks } = await runWorkflowStep(request, { run });
    const id = (await recorded())?.check_id;
    expect({ code, outputs }).toEqual({
      code: 5,
      outputs: { verdict: 'ran', 'check-id': id, 'exit-code': '5', reasons: '' },
    });
    expect(summary).toContain(`Exit code 5. \`${id}\``);
    expect(masks).toEqual([request.token]);
  });

  test('are those of a refusal, with its reasons', async () => {
    const { request, place, recorded } = await job({ repositories: ['acme/web'] });
    const { code, outputs, summary } = await runWorkflowStep(request, { run });
    const reasons = 'repository_not_allowed';
    const id = (await recorded())?.check_id;
    expect({ code, outputs }).toEqual({
      code: 77,
      outputs: { verdict: 'refused', 'check-id': id, 'exit-code': '', reasons },
    });
    expect(summary).toContain(reasons);
    expect(place.ran()).toBeUndefined();
  });

  test('hold nothing but what has a known form, and the summary shows the rest as text', async () => {
    const place = makePlace({ hasGuard: false });
    const directory = join(place.temporary, 'countersign');
    mkdirSync(directory);
    const hostile = 'x\nverdict=ran\n</pre><img src=x onerror=alert(1)>&';
    const reasons = [{ code: hostile, detail: hostile }, { code: 'denied', detail: hostile }, null, 7];
    const status = { verdict: hostile, check_id: hostile, exit_code: hostile, reasons };
    writeFileSync(join(directory, 'status.json'), JSON.stringify(status));
    const [output, summary] = ['output', 'summary'].map((name) => join(place.checkout, name));
    const env = { COUNTERSIGN_DIRECTORY: directory, GITHUB_OUTPUT: `${output}`, GITHUB_STEP_SUMMARY: `${summary}` };
    const script = join(DEPLOY, 'github-actions/verdict.mjs');
    const end = await start(place, ['node', script], { ...place.env, ...env }).ended;
    expect(end).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readFileSync(`${output}`, 'utf8')).toBe('verdict=none\ncheck-id=\nexit-code=\nreasons=denied\n');
    expect(readFileSync(`${summary}`, 'utf8').match(/<[^>]*>/g)).toEqual(['<pre>', '</pre>']);
    expect(readFileSync(`${summary}`, 'utf8').match(/&(?!#\d+;)/g)).toBeNull();
    expect(place.leftovers()).toEqual([]);
  });

  test('are those of a service out of reach', async () => {
    const { request } = await job({ url: `http://127.0.0.1:${await freePort()}` });
    const { outputs } = await runWorkflowStep(request, { run });
    expect(outputs).toEqual({ verdict: 'unreachable', 'check-id': '', 'exit-code': '', reasons: 'unreachable' });
  });

  test('are none without a guard', async () => {
    const { request } = await job({ place: makePlace({ hasGuard: false }) });
    const { code, outputs, summary } = await runWorkflowStep(request, { run });
    expect({ code, outputs }).toEqual({
      code: 69,
      outputs: { verdict: 'none', 'check-id': '', 'exit-code': '', reasons: '' },
    });
    expect(summary).toContain('no verdict');
  });
});

test('a title that somebody else wrote reaches the agent of the workflow as one text', async () => {
  const title = '"; touch pwned; $(touch pwned) `touch pwned` \'';
  const { request, place } = await job({ branch: title });
  expect(await runWorkflowStep(request)).toMatchObject({ code: 0 });
  expect(readFileSync(join(place.checkout, 'prompt'), 'utf8')).toContain(title);
  expect(existsSync(join(place.checkout, 'pwned'))).toBe(false);
});

test('what the script prints is no command to the runner, and it cannot reach beyond its step', async () => {
  const { request, place } = await job();
  const printed = ['::add-path::/tmp', '::set-output name=verdict::refused', '::error::no', '::stop-commands::x'];
  writeFileSync(join(place.checkout, 'lines'), `${printed.join('\n')}\n`);
  const over = { run: 'cat lines\n./review.sh\necho "::$(printf %032d 0)::"\necho ::error::no' };
  const { log, outputs } = await runWorkflowStep(request, over);
  expect(log).not.toContain('carried out');
  expect(log).toContain(printed.join('\n'));
  expect(outputs['verdict']).toBe('ran');
  expect(place.ran()).not.toMatch(
    /^(GITHUB_(ENV|PATH|OUTPUT|STATE)|ACTIONS_\w+|COUNTERSIGN_(COMMAND|DIRECTORY|RUN|WORKFLOW|SCOPES|REPOSITORY|REF|ENVIRONMENT))=/m,
  );
  expect(place.ran()).toMatch(/^GITHUB_STEP_SUMMARY=/m);
});

test('a scope with an asterisk is no file name', async () => {
  const { request, place, recorded } = await job();
  writeFileSync(join(place.checkout, 'codex:file'), '');
  expect(await runWorkflowStep(request, { run, scopes: 'codex:exec\ncodex:*' })).toMatchObject({ code: 77 });
  expect((await recorded())?.scopes).toEqual(['codex:exec', 'codex:*']);
});

test('the script is run by bash, and its first line that fails ends it', async () => {
  const { request, place } = await job();
  expect(await runWorkflowStep(request, { run: '[[ -n $BASH ]]\nfalse | true\n./review.sh' })).toMatchObject({
    code: 1,
  });
  expect(place.ran()).toBeUndefined();
});

test.for([
  ['workflow', `codex-review;touch pwned`],
  ['workflow', '--help'],
  ['scopes', '$(touch pwned) `touch pwned` * --help'],
  ['repository', '$(touch pwned)'],
  ['ref', '--status-file=/dev/null'],
  ['environment', '"; touch pwned; "'],
])('an input %s of %j is a value and nothing else', async ([name, value]) => {
  const { request, place } = await job({ repositories: ['acme/web'] });
  const { code, log } = await runWorkflowStep(request, { run, [String(name)]: String(value) });
  expect(code).toBe(77);
  expect(place.ran()).toBeUndefined();
  expect(existsSync(join(place.checkout, 'pwned'))).toBe(false);
  expectNoTrace(request, log);
});

test.for([
  ['no url', { url: '' }, 2, 'there is no url'],
  ['no workflow', { workflow: '' }, 2, 'there is no workflow'],
  ['nothing to run', { run: '' }, 2, 'there is nothing to run'],
  ['no token', { token: '' }, 2, 'there is no token'],
  ['a token with a character of the shell', { token: 'cst_$(touch pwned)' }, 2, 'characters that no token has'],
  ['a range of versions', { version: '^0.1.0' }, 2, 'exact'],
  ['a version of two lines', { version: '0.1.0\n0.1.0' }, 2, 'exact'],
  ['the latest version', { version: 'latest' }, 2, 'exact'],
  ['another version than there is', { version: '999.0.0' }, 69, 'another version'],
  ['a package without a version', { package: 'countersign', version: '' }, 2, 'exact version'],
  ['an option of npm for a package', { package: '--registry=http://127.0.0.1:1' }, 2, 'a name'],
  ['a repository for a package', { package: 'someone/countersign' }, 2, 'a name'],
  ['a package by plain http', { package: 'http://packages.example/countersign.tgz' }, 2, 'a name'],
  ['a file that is not there for a package', { package: '/no/such/file.tgz' }, 69, 'no file'],
] as const)('with %s nothing is started', async ([_title, over, code, reason]) => {
  const { request, place } = await job();
  const end = await runWorkflowStep(request, { run, ...over });
  expect(end.code).toBe(code);
  expect(end.log).toContain(reason);
  expect(end.log).not.toContain('touch pwned');
  expect(end.outputs).toMatchObject({ verdict: 'none' });
  expect(place.ran()).toBeUndefined();
  expectNoTrace(request, end.log);
});

test('a token that was stored with the end of its line is taken, and masked without it', async () => {
  const { request } = await job();
  const end = await runWorkflowStep(request, { run, token: `${request.token}\r\n` });
  expect(end).toMatchObject({ code: 0, masks: [request.token] });
});

describe('a script under way', () => {
  const slow = { run: 'echo $$ started\nexec sleep 1000' };

  /** Runs it, and tells of the shell of the guard's step. */
  function startSlow(request: Parameters<typeof runWorkflowStep>[0]) {
    const shells: Running[] = [];
    const end = runWorkflowStep({ ...request, onStart: (running) => void shells.push(running) }, slow);
    const guard = async () => {
      for (;;) {
        const shell = shells[1];
        if (shell !== undefined) return shell;
        await shells[0]?.ended;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    return { end, guard };
  }

  test('ends when its token is revoked: 77, and the verdict says stopped', async () => {
    const { request, id } = await job();
    const { end, guard } = startSlow(request);
    await (await guard()).shows('started');
    await service.client().tokens.revoke(id, { reason: 'leaked' });
    const { code, outputs, log } = await end;
    expect({ code, outputs }).toMatchObject({ code: 77, outputs: { verdict: 'stopped', reasons: 'revoked' } });
    expectNoTrace(request, log);
  });

  test('ends when the run is cancelled: what the runner signals reaches it', async () => {
    const { request, recorded } = await job();
    const { end, guard } = startSlow(request);
    const shell = await guard();
    await shell.shows('started');
    shell.signal('SIGINT');
    const { code, outputs } = await end;
    expect({ code, outputs }).toMatchObject({ code: 130, outputs: { verdict: 'ran', 'exit-code': '' } });
    expect(await recorded()).toMatchObject({ signal: 'SIGINT' });
  });
});

test('the action writes no expression into a script, and calls no other action', () => {
  for (const step of Object.values(member(ACTION, 'runs', 'steps') ?? {})) {
    expect(Object.keys(step ?? {})).not.toContain('uses');
    expect(text(step, 'run')).not.toContain('${{');
  }
});

test('the workflow names other actions by their commits, and writes no expression into a script', () => {
  const workflow = recipe('github-actions/agent.yml');
  for (const [, version] of workflow.matchAll(/uses: \S+?@(\S+)/g)) expect(version).toMatch(/^[0-9a-f]{40}$/);
  for (const [, script] of workflow.matchAll(/run: *(\|\n(?: {12}.*\n)+|.*\n)/g)) expect(script).not.toContain('${{');
});
