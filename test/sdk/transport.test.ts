import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createClient, UnreachableError } from '../../src/sdk/index.js';
import { freePort } from '../setup/free-port.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const failureOf = (url: string, timeoutSeconds?: number) =>
  createClient({ url, token: 'cst_secret', timeoutSeconds })
    .me()
    .then(
      () => expect.unreachable(),
      (error: unknown) => error as Error,
    );

describe('a call without an answer says what became of it', () => {
  test('nobody listens there', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const error = await failureOf(url);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.message).toMatch(new RegExp(`^cannot reach ${url}: connect ECONNREFUSED`));
  });

  test('nobody listens at any address of a name', async () => {
    const cause = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
    const fails = () => Promise.reject(Object.assign(new TypeError('fetch failed'), { cause }));
    const client = createClient({ url: 'http://localhost:1', fetch: fails });
    await expect(client.me()).rejects.toThrow('cannot reach http://localhost:1: ECONNREFUSED');
  });

  test.each([
    ['the connection is closed', (socket: { end(): void; resetAndDestroy(): void }) => void socket.end()],
    ['the connection is reset', (socket: { end(): void; resetAndDestroy(): void }) => void socket.resetAndDestroy()],
  ])('%s after the request was sent', async (_title, cut) => {
    const url = await listening(
      createServer((socket) => void socket.on('error', () => {}).once('data', () => cut(socket))),
    );
    const error = await failureOf(url);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.message).toMatch(new RegExp(`^lost the connection to ${url} before the answer came \\(.+\\)$`));
  });

  test('the connection breaks off within the answer', async () => {
    const server = createHttpServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '50' });
      response.write('{"id":', () => response.destroy());
    });
    const url = await listening(server);
    expect((await failureOf(url)).message).toContain(`lost the connection to ${url} before the answer came`);
  });

  test('no answer comes in time', async () => {
    const url = await listening(createHttpServer(() => {}));
    const error = await failureOf(url, 0.05);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.message).toBe(`no answer from ${url} within 0.05 s`);
    for (const server of servers) (server as ReturnType<typeof createHttpServer>).closeAllConnections();
  });

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n'],
    ['no JSON', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'],
  ])('the answer is %s', async (_title, answer) => {
    const url = await listening(createServer((socket) => void socket.on('error', () => {}).end(answer)));
    expect((await failureOf(url)).message).toBe(`${url} answered with something that is not Countersign's`);
  });
});

test.each(['', 'two words', 'cst_geheim\u20ac', 'a\nb', 'ü'])(
  'a token that no header can carry is sent to nobody: %j',
  async (token) => {
    let asked = 0;
    const fetch = () => {
      asked += 1;
      return Promise.reject(new Error('asked'));
    };
    const client = createClient({ url: 'http://127.0.0.1:1', token, fetch });
    await expect(client.me()).rejects.toThrow(
      new TypeError('the token is empty, or holds characters that no token has'),
    );
    await expect(createClient({ url: 'http://127.0.0.1:1', fetch }).members.accept(token)).rejects.toThrow(TypeError);
    expect(asked).toBe(0);
  },
);

describe('a confirmation that a call needs', () => {
  const refusal = (act?: string) => {
    const type = 'http://localhost:1/problems/step-up-required';
    const body = { type, title: 'Step-up required', status: 401, detail: 'first', instance: '/v1/revocations', act };
    return new Response(JSON.stringify(body), { status: 401 });
  };
  const panic = { reason: 'leaked', workflow: 'nightly' } as const;

  test('is asked for by its act, and the call sent once more', async () => {
    const answers = [refusal('revoke it all'), new Response('{"revoked":3,"token_ids":[]}')];
    const sent: unknown[] = [];
    const asked: string[] = [];
    const client = createClient({
      url: 'http://localhost:1',
      fetch: async (_url, init) => {
        sent.push(init?.body);
        return answers.shift() ?? expect.unreachable();
      },
      stepUp: async (act) => asked.push(act) > 0,
    });
    expect(await client.tokens.revokeMany(panic)).toEqual({ revoked: 3, token_ids: [] });
    expect([asked, sent[1]]).toEqual([['revoke it all'], sent[0]]);
  });

  test('is asked for once: a second refusal, or a no, stays one', async () => {
    for (const isConfirmed of [true, false]) {
      let asked = 0;
      const stepUp = async () => {
        asked += 1;
        return isConfirmed;
      };
      const client = createClient({ url: 'http://localhost:1', fetch: async () => refusal(), stepUp });
      await expect(client.members.remove('mem_1')).rejects.toMatchObject({ kind: 'step-up-required' });
      expect(asked).toBe(1);
    }
  });
});
