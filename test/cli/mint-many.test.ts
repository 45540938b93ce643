import { writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, mintedResource, workflowResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();

async function run(args: readonly string[], input?: string, isTerminal = false) {
  return await commandLineHere(home)(['token', 'mint-many', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token },
    isTerminal,
    ...(input === undefined ? {} : { input }),
  });
}

const BULK = 'POST /v1/tokens/bulk';
const sent = () => service.received.filter((one) => one.route === BULK);
const asked = () => sent().map(({ body }) => JSON.parse(body).tokens);

interface Asked {
  readonly workflow: string;
  readonly name?: string;
}
const one = (workflow: string, more: object = {}) => ({
  workflow,
  scopes: ['codex:exec'],
  expires_in_days: 7,
  ...more,
});
/** Mints what it is asked for, and remembers it. */
function minting(losses = 0) {
  const made: ReturnType<typeof mintedResource>[] = [];
  let lost = 0;
  service.follow(({ route, body }) => {
    if (route.startsWith('GET /v1/workflows/')) {
      return { status: 200, body: workflowResource({ allowed_expiry_days: [7, 14, 90] }) };
    }
    if (lost++ < losses) return 'lost';
    const { tokens }: { tokens: Asked[] } = JSON.parse(body);
    made.splice(
      0,
      made.length,
      ...tokens.map(({ workflow, name }) => mintedResource({ workflow, name: name ?? null })),
    );
    return { status: 201, body: { tokens: made } };
  });
  return made;
}

const lines = (text: string) => text.trimEnd().split('\n');
let directories = 0;
const fresh = () => join(home, `tokens-${++directories}`);

describe('token mint-many', () => {
  test.each([
    ['an array', JSON.stringify([one('a'), one('b')])],
    ['an object on each line', `${JSON.stringify(one('a'))}\n\n${JSON.stringify(one('b'))}\n`],
    ['an array over many lines', JSON.stringify([one('a'), one('b')], null, 2)],
  ])('takes %s, and prints one secret on a line, in its order', async (_, input) => {
    const made = minting();
    const outcome = await run(['-'], input);
    expect(outcome).toMatchObject({ code: 0, stderr: '2 minted, one secret on a line, in the order of the list.\n' });
    expect(lines(outcome.stdout)).toEqual(made.map(({ token }) => token));
    expect(asked()).toEqual([[one('a'), one('b')]]);
  });

  test('reads a file, and says all that is known as JSON', async () => {
    const made = minting();
    const file = join(home, 'tokens.json');
    await writeFile(file, JSON.stringify([one('a', { name: 'x', constraints: { refs: ['refs/heads/main'] } })]));
    const outcome = await run([file, '--json']);
    expect(JSON.parse(outcome.stdout)).toEqual(made);
    expect(outcome.stderr).toBe('');
  });

  test('asks each workflow once for its usual period where none is named', async () => {
    minting();
    const { expires_in_days: _, ...open } = one('a');
    await run(['-'], JSON.stringify([open, one('b'), open]));
    expect(asked()[0].map((token: { expires_in_days: number }) => token.expires_in_days)).toEqual([14, 7, 14]);
    expect(service.received.map(({ route }) => route)).toEqual(['GET /v1/workflows/a', BULK]);
  });

  test('asks again under the same key when the answer was lost, not when it was refused', async () => {
    const made = minting(2);
    const outcome = await run(['-'], JSON.stringify([one('a')]));
    expect(lines(outcome.stdout)).toEqual(made.map(({ token }) => token));
    expect(new Set(sent().map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(sent()).toHaveLength(3);
    service.follow(() => problem(403, 'not-allowed', '#/tokens/0: the calling token may not hand on codex:exec'));
    const refused = await run(['-'], JSON.stringify([one('a')]));
    expect(refused).toMatchObject({ code: 77, stdout: '' });
    expect(refused.stderr).toContain('#/tokens/0');
  });

  test('says at a terminal that they are shown this once', async () => {
    minting();
    const file = join(home, 'one.json');
    await writeFile(file, JSON.stringify([one('a')]));
    expect((await run([file], undefined, true)).stderr).toContain('--into-dir DIR');
  });

  const token = looseToken().token;
  test.each([
    ['no JSON', '{"workflow":', 'line 1 of standard input is not JSON'],
    ['a line that is none', `${JSON.stringify(one('a'))}\n${token}`, 'line 2 of standard input is not JSON'],
    ['nothing', '', 'no token is asked for'],
    ['an empty list', '[]', 'no token is asked for'],
    [
      'a member that is unknown',
      JSON.stringify([one('a'), { ...one('b'), owner: token }]),
      '#/1/owner is not known here',
    ],
    ['no scopes', JSON.stringify([{ workflow: 'a' }]), '#/0/scopes'],
    ['too many', JSON.stringify(Array.from({ length: 101 }, () => one('a'))), 'at most 100 at once'],
  ])('refuses %s before anybody is asked, and repeats nothing of it', async (_, input, said) => {
    minting();
    const outcome = await run(['-'], input);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain(said);
    expect(outcome.stderr).not.toContain(token);
    expect(service.received).toEqual([]);
  });
});

describe('token mint-many --into-dir', () => {
  test('writes each secret into a file for this user alone, and prints where, never the secret', async () => {
    const made = minting();
    const directory = fresh();
    const list = [one('a'), one('a', { name: 'acme/api ü' }), one('b', { name: '../../x' })];
    const outcome = await run(['-', '--into-dir', directory], JSON.stringify(list));
    const files = ['a.token', 'a.acme-api-.token', 'b...-..-x.token'].map((name) => join(directory, name));
    expect(outcome).toMatchObject({ code: 0, stderr: '3 minted, each in a file for you alone.\n' });
    expect(lines(outcome.stdout)).toEqual(files);
    expect(await Promise.all(files.map((file) => readFile(file, 'utf8')))).toEqual(made.map((one) => `${one.token}\n`));
    const modes = await Promise.all([directory, ...files].map(async (path) => (await stat(path)).mode & 0o777));
    expect(modes).toEqual([0o700, 0o600, 0o600, 0o600]);
  });

  test('says which file is whose as JSON', async () => {
    const made = minting();
    const directory = fresh();
    const outcome = await run(['-', '--into-dir', directory, '--json'], JSON.stringify([one('a')]));
    const [first] = made;
    expect(JSON.parse(outcome.stdout)).toEqual([
      { id: first?.id, workflow: 'a', name: null, expires_at: first?.expires_at, file: join(directory, 'a.token') },
    ]);
    expect(outcome.stderr).toBe('');
  });

  test('mints nothing where a file could not be made', async () => {
    const [taken, linked, open] = [fresh(), fresh(), fresh()];
    for (const directory of [taken, linked, open]) await mkdir(directory, { mode: 0o700 });
    await writeFile(join(taken, 'b.token'), 'mine');
    await symlink(join(home, 'elsewhere'), join(linked, 'a.token'));
    await chmod(open, 0o777);
    const both = JSON.stringify([one('a'), one('b')]);
    for (const [directory, list, said] of [
      [taken, both, 'b.token is there already'],
      [linked, both, 'a.token is there already'],
      [open, both, 'others can write in'],
      [join(taken, 'b.token', 'below'), both, 'cannot be written in: ENOTDIR'],
      [fresh(), JSON.stringify([one('a'), one('b'), one('a')]), 'tokens 0 and 2 of the list would both be a.token'],
      [fresh(), JSON.stringify([one('a', { name: 'X' }), one('a', { name: 'x' })]), 'tokens 0 and 1'],
    ] as const) {
      minting();
      const outcome = await run(['-', '--into-dir', directory], list);
      expect(outcome).toMatchObject({ code: 2, stdout: '' });
      expect(outcome.stderr).toContain(said);
      expect(service.received).toEqual([]);
    }
    expect(await readFile(join(taken, 'b.token'), 'utf8')).toBe('mine');
    expect(await readdir(taken)).toEqual(['b.token']);
  });

  test('names the token whose file was taken meanwhile, and writes the others', async () => {
    const directory = fresh();
    const made = [one('a'), one('b')].map(({ workflow }) => mintedResource({ workflow }));
    service.follow(() => ({ status: 201, body: { tokens: made } }));
    await mkdir(directory, { mode: 0o700 });
    const list = JSON.stringify([one('a'), one('b')]);
    service.follow(() => {
      // Somebody is quicker.
      writeFileSync(join(directory, 'a.token'), 'theirs');
      return { status: 201, body: { tokens: made } };
    });
    const outcome = await run(['-', '--into-dir', directory], list);
    expect(outcome.code).toBe(1);
    expect(lines(outcome.stdout)).toEqual([join(directory, 'b.token')]);
    expect(outcome.stderr).toContain(`The secret of ${made[0]?.id}: `);
    expect(outcome.stderr).toContain('It is lost: revoke the token.');
    expect(outcome.stderr).not.toContain(made[0]?.token);
    expect(await readFile(join(directory, 'a.token'), 'utf8')).toBe('theirs');
  });
});
