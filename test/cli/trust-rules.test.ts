import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { makeIssuerKey } from '../setup/loopback-issuer.js';
import { GITHUB_PUSH } from '../setup/trust.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('flow');
});
afterAll(() => service.close());

const home = temporaryDirectory();
const run = (args: readonly string[], input = '') =>
  commandLineHere(home)(['trust-rule', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
    input,
  });
const fileOf = (name: string, value: unknown) => {
  writeFileSync(join(home, name), typeof value === 'string' ? value : JSON.stringify(value));
  return join(home, name);
};
const GITHUB = ['--preset', 'github_actions', '--claim', 'repository_id=74', '--claim', 'ref=refs/heads/main'];
const GIVES = ['--workflow', 'flow', '--scope', 'repo:read'];
const jwt = (claims: Record<string, unknown>) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2lnbmF0dXJl`;

describe('trust-rule', () => {
  test('set takes flags, show prints the rule, list and remove know it', async () => {
    const events = ['--event', 'push', '--event', 'schedule'];
    const set = await run(['set', 'shop', ...GITHUB, ...events, ...GIVES, '--expires-in-seconds', '600', '--json']);
    expect(set).toMatchObject({ code: 0, stderr: '' });
    const rule = JSON.parse(set.stdout) as Record<string, unknown>;
    expect(rule).toMatchObject({
      name: 'shop',
      claims: { repository_id: ['74'], ref: ['refs/heads/main'], event_name: ['push', 'schedule'] },
      audience: service.url,
      expires_in_seconds: 600,
    });
    expect((await run(['show', 'shop', '--json'])).stdout).toBe(set.stdout);
    const shown = await run(['show', 'shop']);
    expect(shown.stdout).toContain('claim\tevent_name=push|schedule\n');
    expect(shown.stdout).toContain('workflow\tflow\n');
    const listed = await run(['list']);
    expect(listed.stdout).toMatch(/^shop\tgithub_actions\t.*\tflow\trepo:read\t/);
    expect(JSON.parse((await run(['list', '--json'])).stdout)).toEqual({ data: [rule] });
    const removed = await run(['remove', 'shop']);
    expect(removed).toMatchObject({ code: 0, stderr: 'shop is removed, and the tokens that it gave are revoked.\n' });
    expect((await run(['show', 'shop'])).code).toBe(1);
    expect((await run(['list'])).stderr).toContain('There are no trust rules.');
  });

  test('set takes a whole rule from a file or standard input, and keys from a file', async () => {
    const rule = {
      preset: 'gitlab_ci',
      claims: { project_id: '20', ref_protected: 'true' },
      workflow: 'flow',
      scopes: ['repo:read'],
    };
    expect((await run(['set', 'gitlab', '--file', fileOf('rule.json', rule)])).code).toBe(0);
    expect((await run(['set', 'gitlab', '--file', '-'], JSON.stringify(rule))).code).toBe(0);
    const { publicJwk } = await makeIssuerKey('RS256');
    const jwks = fileOf('jwks.json', { keys: [publicJwk] });
    const cluster = ['--preset', 'kubernetes', '--issuer', 'https://kubernetes.default.svc', '--jwks', jwks];
    const account = ['--claim', 'sub=system:serviceaccount:ci:agent', '--claim', 'sub=system:serviceaccount:ci:other'];
    const set = await run(['set', 'cluster', ...cluster, ...account, ...GIVES, '--network', '10.0.0.0/8']);
    expect(set.code).toBe(0);
    expect(set.stdout).toContain('claim\tsub=system:serviceaccount:ci:agent|system:serviceaccount:ci:other\n');
    expect(set.stdout).toContain(`keys\t${publicJwk.kid}\n`);
    expect(set.stdout).toContain('networks\t10.0.0.0/8\n');
  });

  test.each<[string, string[], string]>([
    ['neither workflow nor file', GITHUB, 'a trust rule needs --workflow and --scope, or --file'],
    ['a claim without a value', [...GIVES, '--claim', 'sub'], '--claim takes NAME=VALUE, not sub'],
    [
      'a file and flags',
      ['--file', 'rule.json', ...GIVES],
      '--file has the whole rule: no other flag goes with it but --json',
    ],
    [
      'a scope that is none',
      ['--workflow', 'flow', '--scope', 'repo', ...GITHUB],
      'this is no trust rule: #/scopes/0 must be',
    ],
    [
      'a preset that nobody knows',
      ['--preset', 'jenkins', ...GIVES],
      'Allowed choices are github_actions, gitlab_ci, buildkite, kubernetes',
    ],
  ])('set refuses %s before it asks the service', async (_, args, message) => {
    const refused = await run(['set', 'bad', ...args]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(message);
  });

  test('set shows what a rule has to pin', async () => {
    const refused = await run([
      'set',
      'wide',
      '--preset',
      'github_actions',
      '--claim',
      'repository=octo/shop',
      ...GIVES,
    ]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('#/claims must pin repository_id, or repository_owner_id');
    expect(refused.stderr).toContain('#/claims must pin event_name');
  });

  test('test compares the claims of a token and sends no signature; exit 0 for a match alone', async () => {
    await run(['set', 'tried', ...GITHUB, '--event', 'push', ...GIVES]);
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...GITHUB_PUSH,
      iss: 'https://token.actions.githubusercontent.com',
      aud: service.url,
      iat: now,
      exp: now + 300,
    };
    const good = await run(['test', 'tried'], jwt(claims));
    expect(good.code).toBe(0);
    expect(good.stdout).toContain('repository_id\tyes\t74\t74\n');
    expect(good.stderr).toBe(
      'It gives a token of 3600 s: workflow flow, scopes repo:read, repositories octo/shop, refs refs/heads/main.\n',
    );
    const other = await run(['test', 'tried'], jwt({ ...claims, repository_id: '75\u202e' }));
    expect(other.code).toBe(1);
    expect(other.stdout).toContain('repository_id\tno\t74\t75\\u202e\n');
    expect(other.stderr).toBe('The rule does not take it.\n');
    const late = await run(['test', 'tried', '--json'], jwt({ ...claims, exp: now - 100 }));
    expect(late.code).toBe(1);
    expect(JSON.parse(late.stdout)).toMatchObject({ verdict: 'match', reasons: ['the subject token has expired'] });
    expect(service.log.join('')).not.toContain('c2lnbmF0dXJl');
  });

  test.each([['no token'], ['a.b'], ['a.b.c'], [`a.${Buffer.from('[]').toString('base64url')}.c`]])(
    'test takes a JWT alone, and repeats nothing of what it got: %s',
    async (input) => {
      const refused = await run(['test', 'tried'], input);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain('standard input is no JWT');
    },
  );
});
