import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import { send } from '../setup/request.js';
import { createTestService, type TestService } from '../setup/service.js';

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const [current, retired, other] = [pair(), pair(), pair()];
const weak = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });

/** GitHub's list of keys, as it answers now. */
let listed: { key_identifier: string; key: string; is_current: boolean }[];
let isDown: boolean;
let asked: { ifNoneMatch: string | undefined; status: number }[];
const github = createServer((request, response) => {
  const body = JSON.stringify({ public_keys: listed });
  const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
  const ifNoneMatch = request.headers['if-none-match'];
  const status = isDown ? 500 : ifNoneMatch === etag ? 304 : 200;
  asked.push({ ifNoneMatch, status });
  response.writeHead(status, { etag }).end(status === 200 ? body : undefined);
});

let service: TestService;
let serial = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => github.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise<void>((resolve) => github.close(() => resolve())));
beforeEach(async () => {
  asked = [];
  isDown = false;
  listed = [
    keyed('current', current.publicKey),
    keyed('retired', retired.publicKey, false),
    keyed('weak', weak.publicKey),
  ];
  const { port } = github.address() as AddressInfo;
  service = await createTestService({
    allowedPrivateNetworks: ['127.0.0.1/32'],
    githubKeysUrl: `http://127.0.0.1:${port}/meta/public_keys/secret_scanning`,
  });
});
afterEach(() => service.close());

function keyed(name: string, key: KeyObject, isCurrent = true) {
  return { key_identifier: name, key: key.export({ type: 'spki', format: 'pem' }).toString(), is_current: isCurrent };
}

interface Signing {
  readonly key?: KeyObject;
  readonly name?: string;
  /** What is signed, where it is not what is sent. */
  readonly over?: string;
  readonly signature?: string;
}

async function alert(
  body: string,
  { key = current.privateKey, name = 'current', over = body, signature }: Signing = {},
) {
  serial += 1;
  return send(service, 'POST', '/v1/leaks/github', {
    token: null,
    body,
    address: `2001:db8:${serial.toString(16)}::1`,
    headers: {
      'content-type': 'application/json',
      'github-public-key-identifier': name,
      'github-public-key-signature': signature ?? sign('sha256', Buffer.from(over), key).toString('base64'),
    },
  });
}

const item = (token: unknown, more = {}) => ({ token, type: 'countersign_token', url: '', source: 'commit', ...more });
const unknownToken = () => printToken({ id: newId('tok', new Date()), tokenSecret: newTokenSecret() });
const hashOf = (token: string) => createHash('sha256').update(token).digest('hex');
const statusOf = async (id: string) => (await service.client().tokens.show(id)).status;

describe('a signed alert', () => {
  test('ends what is ours and says of each item what it was, whatever stands beside it', async () => {
    const live = await service.seedToken();
    const ended = await service.seedToken();
    await service.client().tokens.revoke(ended.id, { reason: 'unused' });
    const url = `https://github.com/acme/shop/blob/${live.token}`;
    const stranger = unknownToken();
    const items = [
      item(stranger),
      7,
      null,
      item(42),
      item('', { type: 9 }),
      item(live.token, { url, source: 'COMMIT' }),
      item(ended.token),
    ];
    const answer = await alert(JSON.stringify(items));
    expect(answer.status).toBe(200);
    const token_type = 'countersign_token';
    expect(JSON.parse(answer.text)).toEqual([
      { token_hash: hashOf(stranger), token_type, label: 'false_positive' },
      { token_hash: hashOf(''), token_type: '', label: 'false_positive' },
      { token_hash: hashOf(live.token), token_type, label: 'true_positive' },
      { token_hash: hashOf(ended.token), token_type, label: 'true_positive' },
    ]);
    expect(await service.client().introspect(live.token)).toEqual({ active: false });
    // To ask about a dead token, as just now, opens an incident of the other kind.
    const { data } = await service.client().incidents.list({ token: live.id });
    const incident = data.find(({ kind }) => kind === 'leak');
    const { seen } = await service.client().incidents.show(incident?.id ?? '');
    expect(seen).toMatchObject([{ type: 'github commit' }]);
    expect(seen[0]?.url).not.toContain(live.token.slice(27));
  });

  test('that is sent again only counts', async () => {
    const { id, token } = await service.seedToken();
    const body = JSON.stringify([item(token)]);
    const first = await alert(body);
    expect((await alert(body)).text).toBe(first.text);
    expect((await service.client().incidents.list({ token: id })).data).toMatchObject([
      { times_seen: 2, revoked: [id] },
    ]);
  });

  test('may have a thousand items', async () => {
    const { id, token } = await service.seedToken();
    const items = [...Array.from({ length: 999 }, unknownToken), token].map((one) =>
      item(one, { url: 'x'.repeat(300) }),
    );
    const answer = await alert(JSON.stringify(items));
    expect(JSON.parse(answer.text)).toHaveLength(1000);
    expect(await statusOf(id)).toBe('revoked');
  });

  test.each([
    ['that is not JSON', '[{"token":', 400],
    ['that is no array', '{"token":"a"}', 422],
    ['that is nested without end', `${'['.repeat(50_000)}${']'.repeat(50_000)}`, 200],
    ['of more than 1 MiB', `["${'a'.repeat(1_048_576)}"]`, 413],
  ])('%s does no harm', async (_, body, status) => {
    expect((await alert(body)).status).toBe(status);
  });
});

describe('an alert that GitHub did not sign', () => {
  const cases: readonly (readonly [string, (body: string) => Signing])[] = [
    ['by another key', () => ({ key: other.privateKey })],
    ['over the parsed body instead of the raw one', (body) => ({ over: JSON.stringify(JSON.parse(body)) })],
    ['over another body', () => ({ over: '[]' })],
    ['with no signature', () => ({ signature: '' })],
    ['with a signature of zeros', () => ({ signature: 'MAYCAQACAQA=' })],
    ['with something that is not base64', () => ({ signature: '****' })],
    [
      'in raw form instead of DER',
      (body) => ({
        signature: sign('sha256', Buffer.from(body), { key: current.privateKey, dsaEncoding: 'ieee-p1363' }).toString(
          'base64',
        ),
      }),
    ],
    [
      'with SHA-512',
      (body) => ({ signature: sign('sha512', Buffer.from(body), current.privateKey).toString('base64') }),
    ],
    ['by a key that GitHub no longer signs with', () => ({ key: retired.privateKey, name: 'retired' })],
    ['by a key of another curve', () => ({ key: weak.privateKey, name: 'weak' })],
    ['by a name that GitHub does not list', () => ({ name: 'nobody' })],
    ['by no name', () => ({ name: '' })],
  ];
  test.each(cases)('%s ends nothing', async (_, signing) => {
    const { id, token } = await service.seedToken();
    // With a space, so that printing it anew gives other bytes.
    const body = `[ ${JSON.stringify(item(token))}]`;
    const answer = await alert(body, signing(body));
    expect(answer.status).toBe(403);
    expect(answer.text).not.toContain('positive');
    expect(await statusOf(id)).toBe('active');
    expect((await service.client().incidents.list()).data).toEqual([]);
  });

  test('is one of 60 a minute from a network', async () => {
    const statuses = new Set<number>();
    for (let at = 0; at <= 60; at += 1) {
      const address = `2001:db8:fffe:1::${at.toString(16)}`;
      statuses.add((await send(service, 'POST', '/v1/leaks/github', { token: null, json: [], address })).status);
    }
    expect([...statuses]).toEqual([403, 429]);
  });
});

describe('the keys of GitHub', () => {
  test('are asked for once an hour, and cost nothing where they are the same', async () => {
    for (let times = 0; times < 3; times += 1) expect((await alert('[]')).status).toBe(200);
    expect(asked).toEqual([{ ifNoneMatch: undefined, status: 200 }]);
    service.clock.advance(3_600);
    expect((await alert('[]')).status).toBe(200);
    expect(asked.map(({ status }) => status)).toEqual([200, 304]);
    expect((await alert('[]')).status).toBe(200);
    expect(asked).toHaveLength(2);
  });

  test('are asked for again for a name that is new, every 30 s at most', async () => {
    await alert('[]');
    listed = [keyed('next', other.publicKey)];
    const next = { key: other.privateKey, name: 'next' };
    expect((await alert('[]', next)).status).toBe(403);
    service.clock.advance(30);
    expect((await alert('[]', next)).status).toBe(200);
    expect((await alert('[]', { name: 'made-up' })).status).toBe(403);
    expect(asked).toHaveLength(2);
    // Withdrawn.
    expect((await alert('[]')).status).toBe(403);
  });

  test('that were never had are no reason to believe anything', async () => {
    isDown = true;
    const { id, token } = await service.seedToken();
    const answer = await alert(JSON.stringify([item(token)]));
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('30');
    expect(await statusOf(id)).toBe('active');
    isDown = false;
    service.clock.advance(30);
    expect((await alert(JSON.stringify([item(token)]))).status).toBe(200);
    expect(await statusOf(id)).toBe('revoked');
  });

  test('serve for a day while GitHub cannot be asked, and not longer', async () => {
    expect((await alert('[]')).status).toBe(200);
    isDown = true;
    service.clock.advance(86_399);
    expect((await alert('[]')).status).toBe(200);
    expect((await alert('[]', { name: 'next' })).status).toBe(503);
    service.clock.advance(31);
    expect((await alert('[]')).status).toBe(503);
  });

  test('of which two have a name, name none', async () => {
    listed = [keyed('current', current.publicKey), keyed('current', other.publicKey)];
    for (const key of [current.privateKey, other.privateKey]) expect((await alert('[]', { key })).status).toBe(403);
  });
});
