import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';
import { describe, expect, test } from 'vitest';
import { eventLines } from '../../src/cli/audit-list.js';
import { eventHash, GENESIS_HASH } from '../../src/rules/audit.js';
import type { AuditEvent } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { ADA, looseToken, meResource } from './resources.js';
import { scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const me = meResource();
const PAGE = 2;

async function run(args: readonly string[]) {
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: looseToken().token };
  return await commandLineHere(home)(args, { env });
}

function chain(length: number, more: Readonly<Record<string, unknown>> = {}): AuditEvent[] {
  const events: AuditEvent[] = [];
  for (let seq = 1; seq <= length; seq++) {
    const event = {
      id: `evt_${seq}`,
      seq,
      at: '2026-03-02T09:00:00.000Z',
      actor: { type: 'member' as const, id: ADA.id },
      action: 'token.minted',
      target: 'tok_1',
      ip: null,
      user_agent: 'a "quoted" ü',
      request_id: null,
      data: { z: 1, a: [null, true] },
      prev_hash: events.at(-1)?.hash ?? GENESIS_HASH,
      ...more,
    };
    events.push({ ...event, hash: eventHash(event) });
  }
  return events;
}

async function signer() {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA');
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'EdDSA', use: 'sig' };
  const sign = async (event: AuditEvent | undefined, workspaceId = me.workspace.id) => {
    const claims = {
      workspace_id: workspaceId,
      seq: event?.seq ?? 0,
      hash: event?.hash ?? GENESIS_HASH,
      at: event?.at ?? '',
    };
    const bytes = new TextEncoder().encode(JSON.stringify(claims));
    return await new CompactSign(bytes).setProtectedHeader({ alg: 'EdDSA', kid: 'k1' }).sign(privateKey);
  };
  return { jwks: { keys: [jwk] }, sign };
}

function serve(events: readonly AuditEvent[], checkpoint = '', jwks: unknown = { keys: [] }) {
  service.follow(({ route, query }) => {
    switch (route) {
      case 'GET /v1/audit-events': {
        const from = Number(query.get('cursor') ?? query.get('after') ?? 0);
        const page = events.filter(({ seq }) => seq > from).slice(0, PAGE);
        const last = page.at(-1)?.seq ?? from;
        return { status: 200, body: { data: page, next_cursor: last < events.length ? String(last) : null } };
      }
      case 'GET /v1/audit-events/checkpoint':
        return { status: 200, body: { checkpoint } };
      case 'GET /.well-known/jwks.json':
        return { status: 200, body: jwks };
      default:
        return { status: 200, body: me };
    }
  });
}

describe('audit verify', () => {
  test('recomputes the whole chain', async () => {
    const events = chain(5);
    serve(events);
    expect(await run(['audit', 'verify'])).toMatchObject({
      code: 0,
      stdout: `whole: 5 events, head ${events[4]?.hash}\n`,
    });
    serve([]);
    expect(JSON.parse((await run(['audit', 'verify', '--json'])).stdout)).toEqual({
      ok: true,
      events: 0,
      head: null,
      checkpoint: null,
    });
  });

  test('covers members that it does not know', async () => {
    const events = chain(3, { request_method: 'POST', actor: { type: 'member', id: ADA.id, name: 'Ada' } });
    serve(events);
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 0 });
    serve(events.map((event) => (event.seq === 2 ? { ...event, request_method: 'GET' } : event)));
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 1, stdout: expect.stringContaining('event 2') });
  });

  test.for([
    ['a changed event', (events: AuditEvent[]) => events.map((e) => (e.seq === 3 ? { ...e, action: 'x' } : e)), 3],
    ['a missing event', (events: AuditEvent[]) => events.filter((e) => e.seq !== 4), 4],
    ['a missing start', (events: AuditEvent[]) => events.slice(1), 1],
    ['another predecessor', (events: AuditEvent[]) => [...events.slice(0, 2), ...chain(5).slice(2).map(foreign)], 3],
  ] as const)('exits 1 at the first broken link and names it: %s', async ([, change, seq]) => {
    serve(change(chain(5)));
    const outcome = await run(['audit', 'verify', '--json']);
    expect(outcome.code).toBe(1);
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      ok: false,
      seq,
      fault: expect.stringContaining(`event ${seq}`),
    });
  });

  test('with a checkpoint finds a log that was cut or written anew', async () => {
    const { jwks, sign } = await signer();
    const events = chain(5);
    const file = join(home, 'checkpoint.jws');
    await writeFile(file, `${await sign(events[3])}\n`);
    serve(events, '', jwks);
    expect(await run(['audit', 'verify', '--checkpoint', file])).toMatchObject({ code: 0 });
    serve(events.slice(0, 2), '', jwks);
    const short = await run(['audit', 'verify', '--checkpoint', file]);
    expect(short).toMatchObject({ code: 1, stdout: expect.stringContaining('the log ends at event 2') });
    serve(rewritten(5), '', jwks);
    const anew = await run(['audit', 'verify', '--checkpoint', file]);
    expect(anew).toMatchObject({ code: 1, stdout: expect.stringContaining('event 4 is not the one') });
  });

  test('trusts no checkpoint of another key or workspace', async () => {
    const { jwks, sign } = await signer();
    const other = await signer();
    const events = chain(2);
    const file = join(home, 'other.jws');
    const keys = join(home, 'keys.json');
    await writeFile(keys, JSON.stringify(jwks));
    serve(events, '', other.jwks);
    await writeFile(file, await sign(events[1]));
    expect(await run(['audit', 'verify', '--checkpoint', file])).toMatchObject({ code: 1 });
    expect(await run(['audit', 'verify', '--checkpoint', file, '--jwks', keys])).toMatchObject({ code: 0 });
    await writeFile(file, await sign(events[1], 'ws_other'));
    expect(await run(['audit', 'verify', '--checkpoint', file, '--jwks', keys])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('another workspace'),
    });
    await writeFile(file, 'nonsense');
    expect(await run(['audit', 'verify', '--checkpoint', file])).toMatchObject({ code: 2 });
    expect(await run(['audit', 'verify', '--checkpoint', join(home, 'absent')])).toMatchObject({ code: 2 });
  });
});

describe('audit list', () => {
  test('shows the last events, or those after one', async () => {
    const { sign } = await signer();
    const events = chain(5);
    serve(events, await sign(events[4]));
    const seqs = async (args: string[]) =>
      (await run(['audit', 'list', ...args])).stdout.split('\n').map((line) => line.split('\t')[0]);
    expect(await seqs(['--limit', '2'])).toEqual(['4', '5', '']);
    expect(await seqs([])).toEqual(['1', '2', '3', '4', '5', '']);
    const narrowed = await run(['audit', 'list', '--after', '1', '--limit', '2', '--json']);
    expect(JSON.parse(narrowed.stdout)).toEqual({ data: events.slice(1, 3) });
    expect(narrowed.stderr).toContain('--after 3');
  });

  test('names the token by which a member acted', async () => {
    serve(chain(1, { data: { via: 'tok_1' } }));
    expect((await run(['audit', 'list', '--after', '0'])).stdout).toBe(
      `1\t2026-03-02T09:00:00.000Z\ttoken.minted\ttok_1\t${ADA.id} via tok_1\t\n`,
    );
    const event = { ...chain(1)[0], target: looseToken().id, ip: '192.0.2.1' } as AuditEvent;
    const view = { isTerminal: true, width: 80, hasColour: false };
    const lines = eventLines([event], view);
    expect(lines[1]).toMatch(new RegExp(`^1    2026-03-02T09:00:00Z  token.+  ${event.target}  mem_`));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(eventLines([event], { ...view, width: 120 })[1]).toContain('192.0.2.1');
  });
});

describe('audit checkpoint', () => {
  test('prints the signed head', async () => {
    const { sign } = await signer();
    const jws = await sign(chain(1)[0]);
    serve(chain(1), jws);
    expect(await run(['audit', 'checkpoint'])).toMatchObject({ code: 0, stdout: `${jws}\n` });
  });
});

function foreign(event: AuditEvent): AuditEvent {
  const changed = { ...event, prev_hash: 'f'.repeat(64) };
  return { ...changed, hash: eventHash({ ...changed }) };
}

function rewritten(length: number): AuditEvent[] {
  const events: AuditEvent[] = [];
  for (const event of chain(length)) {
    const changed = { ...event, action: 'token.listed', prev_hash: events.at(-1)?.hash ?? GENESIS_HASH };
    events.push({ ...changed, hash: eventHash({ ...changed }) });
  }
  return events;
}
