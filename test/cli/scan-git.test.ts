import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findSecrets } from '../../src/rules/secret-scan.js';
import { base62, checksummed, pem } from '../rules/secrets.js';
import { commandLine, MAIN, temporaryDirectory } from './command-line.js';
import { createRepository } from './git-repository.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';

const home = temporaryDirectory();
const here = commandLineHere(home);
const elsewhere = commandLine(home);
let repositories = 0;
const repository = () => createRepository(join(home, `repository-${++repositories}`));
const lines = (text: string) => text.split('\n').filter((line) => line !== '');

describe('scan --history', () => {
  test('finds what was deleted, renamed, merged, stashed and tagged, each once, with the commit that brought it', async () => {
    const { directory, git, write, commit } = repository();
    const [deleted, renamed, merged, stashed, lost, said, tagged] = Array.from({ length: 7 }, looseToken);
    write('a file.env', `A=1\nTOKEN=${deleted?.token}\n`);
    const first = commit('first');
    write('a file.env', `A=2\nTOKEN=${deleted?.token}\n`);
    commit('the same token in another version');
    rmSync(join(directory, 'a file.env'));
    write('old/name', `${renamed?.token}`);
    const second = commit('deleted, another added');
    git('mv', 'old', 'new');
    commit('renamed');
    git('checkout', '--quiet', '-b', 'topic', 'HEAD~1');
    write('topic.txt', `x ${merged?.token}`);
    const third = commit('on a branch');
    git('checkout', '--quiet', 'main');
    git('merge', '--quiet', '--no-edit', 'topic');
    write('lost', `${lost?.token}`);
    const fourth = commit('lost by a reset');
    git('reset', '--quiet', '--hard', 'HEAD~1');
    const fifth = commit(`oops: ${said?.token}`);
    git('tag', '--annotate', 'v1', '--message', `released with ${tagged?.token}`);
    write('new/name', `${stashed?.token}`);
    git('stash');
    const sixth = git('rev-parse', 'stash');

    const outcome = await here(['scan', '--history', directory]);
    expect(outcome.code).toBe(1);
    expect(lines(outcome.stdout)).toContain(`${first}:a file.env:2:7: ${deleted?.id}`);
    const found = JSON.parse((await here(['scan', '--history', '--json', directory])).stdout);
    const places = found.findings.map((one: Record<string, unknown>) => [one['commit'], one['file'], one['token_id']]);
    expect(places).toHaveLength(7);
    expect(places).toEqual(
      expect.arrayContaining([
        [first, 'a file.env', deleted?.id],
        [second, 'old/name', renamed?.id],
        [third, 'topic.txt', merged?.id],
        [fourth, 'lost', lost?.id],
        [fifth, 'commit message', said?.id],
        [undefined, 'tag v1', tagged?.id],
        [sixth, 'new/name', stashed?.id],
      ]),
    );

    // A bare clone has the branches, not what only this repository remembers.
    const bare = join(home, 'bare.git');
    git('clone', '--quiet', '--bare', directory, bare);
    expect((await here(['scan', '--history', bare])).stderr).toContain('5 tokens found');
  });

  test('reads a shallow clone as far as it goes', async () => {
    const { directory, git, write, commit } = repository();
    const [old, young] = [looseToken(), looseToken()];
    write('a', old.token);
    commit('old');
    write('a', young.token);
    const last = commit('young');
    const shallow = join(home, 'shallow');
    git('clone', '--quiet', '--depth', '1', `file://${directory}`, shallow);
    expect(await here(['scan', '--history', shallow])).toMatchObject({
      code: 1,
      stdout: `${last}:a:1:1: ${young.id}\n`,
    });
  });

  test('says what is missing in a partial clone, and fetches nothing', async () => {
    const { directory, git, write, commit } = repository();
    git('config', 'uploadpack.allowFilter', 'true');
    write('a', looseToken().token);
    commit('a');
    const partial = join(home, 'partial');
    git('clone', '--quiet', '--bare', '--filter=blob:none', `file://${directory}`, partial);
    const outcome = await here(['scan', '--history', partial]);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('1 objects of the history cannot be read');
  });

  test('is not misled by replaced objects or grafts', async () => {
    const { directory, git, write, commit } = repository();
    const { token, id } = looseToken();
    write('a', token);
    const first = commit('a');
    write('a', 'clean');
    commit('b');
    git('replace', git('rev-parse', `${first}:a`), git('rev-parse', 'HEAD:a'));
    writeFileSync(join(directory, '.git', 'info', 'grafts'), `${git('rev-parse', 'HEAD')}\n`);
    expect(await here(['scan', '--history', directory])).toMatchObject({ code: 1, stdout: `${first}:a:1:1: ${id}\n` });
  });

  test('reads what a ref points to without a commit', async () => {
    const { directory, git, write, commit } = repository();
    const { token, id } = looseToken();
    commit('empty');
    write('loose', token);
    const blob = git('hash-object', '-w', 'loose');
    git('update-ref', 'refs/x/loose', blob);
    expect(await here(['scan', '--history', directory])).toMatchObject({ stdout: `blob ${blob}:1:1: ${id}\n` });
  });

  test('prints hostile names safely', async () => {
    const { directory, write, commit } = repository();
    const { token, id } = looseToken();
    write('a\u001b[2J\nb', token);
    write(Buffer.from([0xff, 0x41]), token);
    const first = commit('names');
    const outcome = await here(['scan', '--history', directory]);
    expect(lines(outcome.stdout).join('\n')).not.toContain('\u001b');
    for (const line of lines(outcome.stdout)) expect(line).toMatch(new RegExp(`:1:1: ${id}$`));
    expect(outcome.stdout).toContain(`${first}:a\\x1b[2J`);
    // In files, a name that is not UTF-8 hides nothing.
    expect(lines((await here(['scan', directory])).stdout)).toHaveLength(2);
  });

  test('reads an empty repository, and refuses what is none', async () => {
    const { directory } = repository();
    expect(await here(['scan', '--history', directory])).toMatchObject({ code: 0, stdout: '' });
    const outside = temporaryDirectory();
    const outcome = await here(['scan', '--history', outside], { env: { GIT_CEILING_DIRECTORIES: outside } });
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('not a git repository') });
    const without = await here(['scan', '--history', directory], { env: { PATH: '/nowhere' } });
    expect(without).toMatchObject({ code: 2, stderr: expect.stringContaining('git cannot be started') });
  });

  test('says so when the history is broken', async () => {
    const { directory, git, write, commit } = repository();
    write('a', 'something');
    commit('a');
    const id = git('rev-parse', 'HEAD:a');
    const object = join(directory, '.git', 'objects', id.slice(0, 2), id.slice(2));
    chmodSync(object, 0o600);
    writeFileSync(object, 'broken');
    expect((await here(['scan', '--history', directory])).code).toBe(2);
  });

  test('tells of thousands of files without holding them', async () => {
    const { directory, git } = repository();
    const { token, id } = looseToken();
    const blobs = Array.from(
      { length: 3_000 },
      (_, at) => `M 644 inline d${at % 50}/f${at}\ndata 2\n${at % 10}\n`,
    ).join('');
    const last = `M 644 inline z\ndata ${token.length}\n${token}\n`;
    const head = 'commit refs/heads/main\ncommitter Ada <a@b> 1700000000 +0000\ndata 1\nx\n';
    const input = join(home, 'import');
    writeFileSync(input, `${head}${blobs}${last}`);
    git('-c', `alias.load=!git fast-import --quiet < '${input}'`, 'load');
    const outcome = await here(['scan', '--history', directory]);
    expect(outcome.stdout).toBe(`${git('rev-parse', 'main')}:z:1:1: ${id}\n`);
    // Ten different contents, each read once, the token, and the commit.
    expect(outcome.stderr).toContain('12 objects read');
  });
});

describe('scan --staged', () => {
  test('reads what is in the index, not what is beside it', async () => {
    const { directory, git, write, commit } = repository();
    const [staged, unstaged, old] = [looseToken(), looseToken(), looseToken()];
    write('old', old.token);
    commit('old');
    write('a b', `x\n${staged.token}`);
    git('add', 'a b');
    write('a b', 'clean again');
    write('later', unstaged.token);
    const outcome = await elsewhere(['scan', '--staged'], { cwd: directory });
    expect(outcome).toMatchObject({ code: 1, stdout: `a b:2:1: ${staged.id}\n` });
    git('add', 'a b');
    expect(await elsewhere(['scan', '--staged'], { cwd: directory })).toMatchObject({ code: 0, stdout: '' });
  });

  test('stops a commit as the hook that it installs, and lets pass what is allowed', async () => {
    const { directory, git, write, commit } = repository();
    const run = async (...args: string[]) => await elsewhere(['scan', ...args], { cwd: directory });
    expect(await run('--install-hook')).toMatchObject({ code: 0, stderr: expect.stringContaining('pre-commit') });
    const hook = join(directory, '.git', 'hooks', 'pre-commit');
    expect(readFileSync(hook, 'utf8')).toContain('scan --staged --all-secrets');
    expect(await run('--install-hook')).toMatchObject({ code: 1, stderr: expect.stringContaining('there already') });

    // Without a countersign on the PATH there is no commit: it fails closed.
    write('key.pem', pem(`PRIVATE ${'KEY'}`));
    expect(() => commit('no command')).toThrow(/not found/);
    const bin = join(home, 'bin');
    const path = `${bin}:${process.env['PATH']}`;
    createRepository(bin).write('countersign', `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
    chmodSync(join(bin, 'countersign'), 0o755);
    const commitWith = (more = '') =>
      git('-c', `alias.with=!PATH='${path}' git commit --quiet --message x ${more}`, 'with');
    expect(commitWith).toThrow(/key\.pem:1:1: private-key [0-9a-f]{32}/);
    // git makes an index of its own for these.
    expect(() => commitWith('key.pem')).toThrow(/key\.pem:1:1/);

    const fingerprint = findSecrets(readFileSync(join(directory, 'key.pem'), 'utf8'))[0]?.fingerprint;
    write('.countersign-allow', `# known\n\n${fingerprint}  # a test's own key\n`);
    commitWith();
    expect(git('log', '--format=%s')).toBe('x');
    write('key.pem', pem(`PRIVATE ${'KEY'}`));
    expect(() => commitWith('--all')).toThrow(/key\.pem:1:1/);
    expect((await run('--history', '--all-secrets')).stderr).toMatch(/1 allowed by \S+\.countersign-allow/);
    expect(await run('--history', '--all-secrets', '--no-allow-file')).toMatchObject({ code: 1 });
  });

  test('works before the first commit, with no subdirectory in the way', async () => {
    const { directory, git, write } = repository();
    const { token, id } = looseToken();
    write('deep/er/file', token);
    git('add', '--all');
    const outcome = await elsewhere(['scan', '--staged'], { cwd: join(directory, 'deep') });
    expect(outcome.stdout).toBe(`deep/er/file:1:1: ${id}\n`);
  });
});

describe('scan --all-secrets', () => {
  test('tells kind and fingerprint, in text, JSON and SARIF, and never the secret', async () => {
    const secrets = [checksummed('ghp'), base62(40)];
    const text = `{"github": "${secrets[0]}",\n "db_password": "${secrets[1]}"}\n`;
    const file = join(home, 'all.json');
    writeFileSync(file, text);
    const expected = [
      { kind: 'github-token', line: 1, column: 13 },
      { kind: 'assigned-secret', line: 2, column: 18 },
    ];
    const named = findSecrets(text).map(({ fingerprint }, at) => ({ ...expected[at], file, fingerprint }));
    const outcome = await here(['scan', '--all-secrets', file]);
    expect(lines(outcome.stdout)).toEqual(
      named.map(({ line, column, kind, fingerprint }) => `${file}:${line}:${column}: ${kind} ${fingerprint}`),
    );
    const asJson = await here(['scan', '--all-secrets', '--json', file]);
    expect(JSON.parse(asJson.stdout).findings).toEqual(named);
    const asSarif = await here(['scan', '--all-secrets', '--format', 'sarif', file]);
    for (const { stdout, stderr } of [outcome, asJson, asSarif]) {
      for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
    }
    // By itself the command looks for tokens of this service alone.
    expect(await here(['scan', file])).toMatchObject({ code: 0 });
  });

  test.each([
    ['--history and --staged', ['--history', '--staged']],
    ['a path and --staged', ['--staged', 'x']],
    ['two formats', ['--json', '--format', 'sarif', 'x']],
    ['an unknown format', ['--format', 'xml', 'x']],
    ['--yes alone', ['--yes', 'x']],
    ['two repositories', ['--history', 'a', 'b']],
    ['an allow file that is missing', ['--allow-file', '/nowhere/at/all', 'x']],
  ])('refuses %s', async (_title, args) => {
    expect(await here(['scan', ...args])).toMatchObject({ code: 2, stdout: '' });
  });

  test('refuses a list with a line that is no fingerprint, without telling the line', async () => {
    const secret = base62(40);
    const list = join(home, 'allow');
    writeFileSync(list, `${'0'.repeat(32)} # fine\n${secret}\n`);
    const outcome = await here(['scan', '--allow-file', list, list]);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('line 2 of') });
    expect(outcome.stderr).not.toContain(secret);
  });
});

test('what runs git hands it no token', async () => {
  const { directory } = repository();
  const bin = join(home, 'spy');
  const { write } = createRepository(bin);
  write('git', `#!/bin/sh\nenv >> '${bin}/seen'\n`);
  chmodSync(join(bin, 'git'), 0o755);
  await here(['scan', '--history', directory], {
    env: { PATH: `${bin}:${process.env['PATH']}`, COUNTERSIGN_TOKEN: 'x' },
  });
  expect(existsSync(join(bin, 'seen'))).toBe(true);
  expect(readFileSync(join(bin, 'seen'), 'utf8')).not.toContain('COUNTERSIGN_TOKEN=');
});
