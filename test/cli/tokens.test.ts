import { describe, expect, test } from 'vitest';
import { explanationLines } from '../../src/cli/explain.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, meResource, mintedResource, tokenResource, workflowResource } from './resources.js';
import { problem, type Received, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();

async function run(args: readonly string[], input?: string) {
  return await commandLineHere(home)(args, {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token },
    ...(input === undefined ? {} : { input }),
  });
}

const sent = (route: string) => service.received.filter((one) => one.route === route);
const bodies = (route: string) => sent(route).map((one) => JSON.parse(one.body));

describe('token mint', () => {
  const minted = mintedResource();
  const mintWith = (days: number[]) => (request: Received) =>
    request.route === 'GET /v1/workflows/codex-review'
      ? { status: 200, body: workflowResource({ allowed_expiry_days: days }) }
      : { status: 201, body: minted };
  const args = ['token', 'mint', '--workflow', 'codex-review', '--scope', 'repo:read', 'codex:exec'];

  test('prints the secret alone; where to put it goes to the person', async () => {
    service.follow(mintWith([7, 30]));
    const outcome = await run(args);
    expect(outcome).toMatchObject({ code: 0, stdout: `${minted.token}\n` });
    expect(outcome.stderr).toContain(minted.id);
    // Standard output is a pipe here: nobody has to be told to make it one.
    expect(outcome.stderr).toMatch(/^It lives 30 days: .+\n.+\n$/);
    expect(outcome.stderr).not.toContain(minted.token);
    expect(bodies('POST /v1/tokens')).toEqual([
      { workflow: 'codex-review', scopes: ['repo:read', 'codex:exec'], expires_in_days: 30 },
    ]);
  });

  test.for([
    [[7, 14, 90], 14],
    [[60, 90], 60],
  ] as const)('of a workflow that allows %j days takes %i', async ([days, taken]) => {
    service.follow(mintWith([...days]));
    await run(args);
    expect(bodies('POST /v1/tokens')).toEqual([expect.objectContaining({ expires_in_days: taken })]);
  });

  test('sends every constraint, and asks about no workflow when the days are given', async () => {
    service.follow(mintWith([30]));
    const places = ['--repository', 'acme/*', 'acme/x', '--ref', 'refs/heads/main', '--environment', 'ci'];
    const others = ['--runner', 'r1', '--network', '10.0.0.0/8', '--not-before', '2026-05-01', '--name', 'nightly'];
    const outcome = await run([...args, '--expires-in-days', '7', ...places, ...others, '--json']);
    expect(JSON.parse(outcome.stdout)).toEqual(minted);
    expect(outcome.stderr).toBe('');
    expect(service.received).toHaveLength(1);
    expect(bodies('POST /v1/tokens')[0]).toEqual({
      workflow: 'codex-review',
      scopes: ['repo:read', 'codex:exec'],
      expires_in_days: 7,
      name: 'nightly',
      constraints: {
        repositories: ['acme/*', 'acme/x'],
        refs: ['refs/heads/main'],
        environments: ['ci'],
        runners: ['r1'],
        networks: ['10.0.0.0/8'],
      },
      not_before: '2026-05-01T00:00:00.000Z',
    });
  });

  test('asks again under the same key when the answer was lost', async () => {
    let losses = 2;
    service.follow(() => (losses-- > 0 ? 'lost' : { status: 201, body: minted }));
    expect(await run([...args, '--expires-in-days', '7'])).toMatchObject({ code: 0, stdout: `${minted.token}\n` });
    const keys = sent('POST /v1/tokens').map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  test('does not ask again when it was refused', async () => {
    service.follow(() => problem(403, 'insufficient-scope', 'the token lacks tokens:mint'));
    expect(await run([...args, '--expires-in-days', '7'])).toMatchObject({ code: 77, stdout: '' });
    expect(service.received).toHaveLength(1);
  });
});

describe('token rotate', () => {
  test('prints the new secret alone, and says how long the old one lives', async () => {
    const successor = mintedResource({ rotated_from: own.id });
    let losses = 1;
    service.follow(() => (losses-- > 0 ? 'lost' : { status: 201, body: successor }));
    const outcome = await run(['token', 'rotate', 'self', '--overlap-seconds', '600', '--drain-seconds', '90']);
    expect(outcome).toMatchObject({ code: 0, stdout: `${successor.token}\n` });
    expect(outcome.stderr).toContain(`${own.id} stays valid for 10 min, and no longer than 90 s after`);
    expect(bodies('POST /v1/tokens/self/rotate')).toEqual([
      { overlap_seconds: 600, drain_seconds: 90 },
      { overlap_seconds: 600, drain_seconds: 90 },
    ]);
  });

  test('when every answer is lost, says what to do', async () => {
    service.follow(() => 'lost');
    const outcome = await run(['token', 'rotate', 'self']);
    expect(outcome).toMatchObject({ code: 69, stdout: '' });
    expect(outcome.stderr).toContain('Rotate again');
    expect(outcome.stderr).toContain(`lost the connection to ${service.url} before the answer came`);
    expect(outcome.stderr).not.toContain('Is the service running');
    const asJson = await run(['token', 'rotate', 'self', '--json']);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { kind: 'unreachable' } });
  });

  test('of itself without the scope says how such a token is minted', async () => {
    service.follow(() => problem(403, 'insufficient-scope', 'the token needs the scope tokens:rotate'));
    const outcome = await run(['token', 'rotate', 'self']);
    expect(outcome).toMatchObject({ code: 77, stdout: '' });
    expect(outcome.stderr).toMatch(/^error: the token needs the scope tokens:rotate\n.*--scope tokens:rotate/);
  });
});

describe('token list', () => {
  test('goes to the last page; a line each, exact and tab-separated for programs', async () => {
    const tokens = [tokenResource({ name: 'a\tb\u001b[1m' }), tokenResource({ status: 'revoked' })];
    service.follow(({ query }) => {
      const isFirst = !query.has('cursor');
      return { status: 200, body: { data: [tokens[isFirst ? 0 : 1]], next_cursor: isFirst ? 'more' : null } };
    });
    const outcome = await run(['token', 'list', '--workflow', 'codex-review', '--expires-before', '2026-12-31']);
    const lines = tokens.map((token, at) =>
      [token.id, 'codex-review', at === 0 ? 'a\\x09b\\x1b[1m' : '', ADA.email, token.status, token.expires_at, ''].join(
        '\t',
      ),
    );
    expect(outcome).toMatchObject({ code: 0, stdout: `${lines.join('\n')}\n`, stderr: '' });
    expect(service.received[0]?.query.toString()).toContain('expires_before=2026-12-31T00%3A00%3A00.000Z');
    expect(JSON.parse((await run(['token', 'list', '--json'])).stdout)).toEqual({ data: tokens });
    expect(JSON.parse((await run(['token', 'list', '--json', '--limit', '1'])).stdout)).toEqual({ data: [tokens[0]] });
  });

  test('finds a member by e-mail address', async () => {
    service.follow(({ route }) => ({
      status: 200,
      body: { data: route === 'GET /v1/members' ? [ADA] : [], next_cursor: null },
    }));
    expect(await run(['token', 'list', '--owner', 'ADA@acme.example'])).toMatchObject({ code: 0, stdout: '' });
    expect(service.received.at(-1)?.query.get('owner')).toBe(ADA.id);
    expect(await run(['token', 'list', '--owner', 'eve@acme.example'])).toMatchObject({ code: 1 });
  });
});

describe('token explain', () => {
  test('tells the state and each fact', async () => {
    const at = '2026-03-03T00:00:00.000Z';
    const fact = { at, fact: 'token.revoked', detail: 'as leaked\t', by: ADA.id, reason: 'leaked', event_id: null };
    const used = { ...fact, fact: 'token.first_used', detail: 'used', by: null, reason: null };
    const explanation = { id: own.id, at, status: 'revoked' as const, summary: 'revoked by Ada', facts: [used, fact] };
    service.follow(() => ({ status: 200, body: explanation }));
    const outcome = await run(['token', 'explain', own.id, '--at', at]);
    expect(outcome.stdout).toBe(
      `revoked\trevoked by Ada\n${at}\ttoken.first_used\tused\t\n${at}\ttoken.revoked\tas leaked\\x09\t${ADA.id}\n`,
    );
    expect(service.received[0]?.query.get('at')).toBe(at);
    const view = { isTerminal: true, width: 80, hasColour: false };
    const now = new Date('2026-03-03T00:02:00.000Z');
    expect(explanationLines(explanation, at, view, now)).toEqual([
      `${own.id} at ${at}: revoked by Ada`,
      `${at} (2 minutes ago)  used`,
      `${at} (2 minutes ago)  as leaked\\x09, by ${ADA.id}`,
    ]);
  });
});

describe('token introspect', () => {
  const subject = looseToken();
  const active = {
    active: true,
    iss: 'https://countersign.example',
    sub: ADA.id,
    username: ADA.email,
    client_id: 'codex-review',
    scope: 'repo:read',
    token_type: 'Bearer',
    iat: 1_772_442_000,
    nbf: 1_772_442_000,
    exp: 1_775_034_000,
    jti: subject.id,
    workspace_id: 'ws_1',
    workspace: 'acme',
    workflow: 'codex-review',
    authorization_details: [{ type: 'agent_exec', repositories: ['acme/*'] }],
  };

  test('asks about the token on standard input', async () => {
    service.follow(() => ({ status: 200, body: active }));
    const outcome = await run(['token', 'introspect'], `${subject.token}\n`);
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
    expect(outcome.stdout).toContain('repositories\tacme/*');
    expect(sent('POST /oauth2/introspect')[0]?.body).toBe(`token=${subject.token}`);
    expect(sent('POST /oauth2/introspect')[0]?.headers.authorization).toBe(`Bearer ${own.token}`);
  });

  test('exits 1 when it is not active', async () => {
    service.follow(() => ({ status: 200, body: { active: false } }));
    expect(await run(['token', 'introspect', '--json'], subject.token)).toMatchObject({
      code: 1,
      stdout: '{"active":false}\n',
    });
  });

  test('without a login lets the token ask about itself', async () => {
    const env = { COUNTERSIGN_URL: service.url };
    const alone = commandLineHere(temporaryDirectory());
    service.follow(() => ({ status: 200, body: active }));
    expect(await alone(['token', 'introspect'], { env, input: subject.token })).toMatchObject({ code: 0 });
    expect(service.received[0]?.headers.authorization).toBe(`Bearer ${subject.token}`);
    service.follow(() => problem(401, 'unauthenticated', 'no'));
    expect(await alone(['token', 'introspect'], { env, input: subject.token })).toMatchObject({ code: 1 });
  });
});

describe('token revoke', () => {
  test('by id says why', async () => {
    service.follow(() => ({ status: 200, body: tokenResource({ status: 'revoked' }) }));
    expect(await run(['token', 'revoke', own.id, '--reason', 'leaked', '--note', 'in a log'])).toMatchObject({
      code: 0,
    });
    expect(bodies(`POST /v1/tokens/${own.id}/revoke`)).toEqual([{ reason: 'leaked', note: 'in a log' }]);
  });

  test('--stdin revokes each token in a text once, by holding it', async () => {
    const [one, two] = [looseToken(), looseToken()];
    service.follow(() => ({ status: 200 }));
    const alone = commandLineHere(temporaryDirectory());
    const env = { COUNTERSIGN_URL: service.url };
    const input = `A=${one.token}\nB="${two.token}" again ${one.token} cst_nonsense`;
    const outcome = await alone(['token', 'revoke', '--stdin'], { env, input });
    expect(outcome).toMatchObject({ code: 0, stdout: `${one.id}\n${two.id}\n` });
    expect(outcome.stdout + outcome.stderr).not.toContain('cst_');
    expect(sent('POST /oauth2/revoke').map(({ body }) => body)).toEqual([`token=${one.token}`, `token=${two.token}`]);
    expect(sent('POST /oauth2/revoke')[0]?.headers.authorization).toBeUndefined();
    const wide = Buffer.from(`\ufeff${one.token}`, 'utf16le');
    expect(await alone(['token', 'revoke', '--stdin'], { env, input: wide })).toMatchObject({
      code: 0,
      stdout: `${one.id}\n`,
    });
  });

  test('--stdin takes no reason, and says why', async () => {
    service.follow(() => ({ status: 200 }));
    const outcome = await run(['token', 'revoke', '--stdin', '--reason', 'leaked'], own.token);
    expect(outcome).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('is not asked why') });
    expect(service.received).toEqual([]);
  });

  test('--stdin exits 1 when there is none, 69 when the service is out of reach', async () => {
    service.follow(() => 'lost');
    expect(await run(['token', 'revoke', '--stdin'], 'nothing here')).toMatchObject({ code: 1, stdout: '' });
    const outcome = await run(['token', 'revoke', '--stdin'], own.token);
    expect(outcome).toMatchObject({ code: 69, stdout: '', stderr: expect.stringContaining('0 of 1 tokens') });
  });
});

describe('revoke-all', () => {
  test('--dry-run counts', async () => {
    service.follow(() => ({ status: 200, body: { revoked: 3, token_ids: [own.id] } }));
    const outcome = await run(['revoke-all', '--issued-before', '2026-03-01', '--reason', 'leaked', '--dry-run']);
    expect(outcome).toMatchObject({ code: 0, stdout: `${own.id}\n` });
    expect(outcome.stderr).toContain('3 would be revoked, 2 of them not listed');
    expect(bodies('POST /v1/revocations')).toEqual([
      { reason: 'leaked', dry_run: true, issued_before: '2026-03-01T00:00:00.000Z' },
    ]);
  });

  test('--yes revokes without asking', async () => {
    service.follow(() => ({ status: 200, body: { revoked: 1, token_ids: [own.id] } }));
    const outcome = await run(['revoke-all', '--workspace', '--reason', 'leaked', '--yes', '--json']);
    expect(outcome).toMatchObject({ code: 0, stdout: `{"revoked":1,"token_ids":["${own.id}"]}\n` });
    expect(bodies('POST /v1/revocations')).toEqual([{ reason: 'leaked', workspace: true }]);
  });

  test('without a terminal and without --yes asks the service nothing', async () => {
    service.follow(() => ({ status: 200, body: meResource() }));
    expect(await run(['revoke-all', '--workspace', '--reason', 'leaked'], 'acme\n')).toMatchObject({ code: 2 });
    expect(service.received).toEqual([]);
  });
});
