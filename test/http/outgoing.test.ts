import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSocketServer, type Server } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createOutgoing, type OutgoingOptions } from '../../src/http/outgoing.js';

let asked: string[] = [];
let answer: (request: IncomingMessage, response: ServerResponse) => void = () => {};
const server = createServer((request, response) => {
  asked.push(`${request.headers.host} ${request.url}`);
  answer(request, response);
});
let port = 0;
beforeAll(async () => {
  port = await listening(server, '127.0.0.1');
});
afterEach(() => {
  asked = [];
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function listening(one: Server, host: string, at = 0): Promise<number> {
  await new Promise<void>((resolve) => one.listen(at, host, resolve));
  const address = one.address();
  if (address === null || typeof address === 'string') throw new Error('listening gave no port');
  return address.port;
}

const say = (text: string, headers: Record<string, string> = {}, status = 200) => {
  answer = (_, response) => response.writeHead(status, headers).end(text);
};
const resolving =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address }));
const ask = (url: string, options: Partial<OutgoingOptions> = {}, maxBytes = 1_000) =>
  createOutgoing({ allowedPrivateNetworks: ['127.0.0.1/32'], ...options })({ url, maxBytes });
const NONE = { allowedPrivateNetworks: [] };

describe('an address that is not public', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '0x7f000001',
    '2130706433',
    '017700000001',
    '0177.0.0.1',
    '１２７.0.0.1',
    '127.0.0.1.',
    '0.0.0.0',
    '0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '192.0.0.170',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:ffff:a9fe:a9fe]',
    '[::127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[64:ff9b:1::7f00:1]',
    '[2002:7f00:1::]',
    '[2001:0:7f00:1::]',
    '[fe80::1]',
    '[fd00::1]',
    '[fec0::1]',
    '[ff02::1]',
    'localhost',
  ])('is not asked: %s', async (host) => {
    for (const scheme of ['https', 'http']) {
      const refused = await ask(`${scheme}://${host}:${port}/`, NONE);
      expect(refused).toMatchObject({ ok: false, reason: expect.stringMatching(/not a public address/) });
    }
    expect(asked).toEqual([]);
  });

  it.each([
    [['127.0.0.1']],
    [['93.184.216.34', '127.0.0.1']],
    [['2606:2800:21f:cb07:6820:80da:af6b:8b2c', '::1']],
    [['fe80::1%eth0']],
    [['not an address']],
    [[]],
  ])('is not asked when a name has it among others: %j', async (addresses) => {
    const refused = await ask(`https://issuer.example:${port}/`, { ...NONE, resolve: resolving(...addresses) });
    expect(refused.ok).toBe(false);
    expect(asked).toEqual([]);
  });

  it('is asked when it is allowed, and only inside of what is', async () => {
    say('{}');
    expect(await ask(`http://127.0.0.1:${port}/a`)).toMatchObject({ ok: true, status: 200, text: '{}' });
    expect((await ask(`http://127.0.0.2:${port}/`)).ok).toBe(false);
    expect((await ask(`http://[::ffff:127.0.0.2]:${port}/`)).ok).toBe(false);
    expect(asked).toEqual([`127.0.0.1:${port} /a`]);
  });
});

describe('a URL', () => {
  it.each([
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'data:application/json,{}',
    'gopher://127.0.0.1/',
    'no url',
    'https://',
    `http://user:secret@127.0.0.1/`,
  ])('is not asked: %s', async (url) => {
    const refused = await ask(url);
    expect(refused.ok).toBe(false);
    expect(JSON.stringify(refused)).not.toContain('secret');
  });

  it('is not asked over http outside of the allowed networks', async () => {
    const refused = await ask('http://issuer.example/', { resolve: resolving('93.184.216.34') });
    expect(refused).toEqual({ ok: false, reason: 'only https is used outside of the allowed private networks' });
  });
});

describe('a name', () => {
  it('is resolved once, and the connection goes to what was looked at', async () => {
    say('pinned');
    const answers = ['127.0.0.1', '127.0.0.2'];
    const resolved: string[] = [];
    const resolve = async (host: string) => {
      resolved.push(host);
      return [{ address: answers[resolved.length - 1] ?? '' }];
    };
    expect(await ask(`http://rebinding.example:${port}/`, { resolve })).toMatchObject({ ok: true, text: 'pinned' });
    expect(resolved).toEqual(['rebinding.example']);
    expect(asked).toEqual([`rebinding.example:${port} /`]);
  });

  it('is what TLS is asked for, at that address', async () => {
    const hello = { text: '' };
    const tls = createSocketServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes) => {
        hello.text = bytes.toString('latin1');
        socket.destroy();
      });
    });
    const at = await listening(tls, '127.0.0.1');
    const refused = await ask(`https://issuer.example:${at}/`, { resolve: resolving('127.0.0.1') });
    await new Promise((resolve) => tls.close(resolve));
    expect(refused.ok).toBe(false);
    expect(hello.text).toContain('issuer.example');
  });
});

describe('an answer', () => {
  it('that leads elsewhere is an answer, and not followed', async () => {
    say('', { location: 'http://169.254.169.254/latest/meta-data/' }, 302);
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatchObject({ ok: true, status: 302 });
    say('', { location: '/other' }, 307);
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatchObject({ ok: true, status: 307 });
    expect(asked).toHaveLength(2);
  });

  it('that is longer than asked for is not read on', async () => {
    say('x'.repeat(1_000));
    expect((await ask(`http://127.0.0.1:${port}/`)).ok).toBe(true);
    const isCut = new Promise((resolve) => {
      answer = (_, response) => {
        response.on('close', () => resolve(response.writableFinished));
        const fill = () => {
          while (!response.destroyed && response.write('x'.repeat(10_000))) {}
          response.once('drain', fill);
        };
        fill();
      };
    });
    const refused = await ask(`http://127.0.0.1:${port}/`);
    expect(refused).toEqual({ ok: false, reason: 'the answer is longer than 1000 bytes' });
    expect(await isCut).toBe(false);
  });

  it('that is compressed is none: a small one could be without end', async () => {
    answer = (_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(100_000)));
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatchObject({ ok: false });
  });

  it.each<[string, Partial<OutgoingOptions>, typeof answer]>([
    ['that never begins', {}, () => {}],
    ['that never ends', {}, (_, response) => response.writeHead(200).write('{')],
    ['of a name that nobody resolves', { resolve: () => new Promise(() => {}) }, () => {}],
  ])('%s is waited for no longer than the limit', async (_, options, slow) => {
    answer = slow;
    const refused = await ask(`http://127.0.0.1.example:${port}/`, {
      resolve: resolving('127.0.0.1'),
      ...options,
      timeoutSeconds: 0.1,
    });
    expect(refused).toEqual({ ok: false, reason: 'no whole answer within 0.1 s' });
  });

  it('that is cut off is none', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('{');
      response.destroy();
    };
    expect((await ask(`http://127.0.0.1:${port}/`)).ok).toBe(false);
  });

  it('comes by no proxy that the environment names', async () => {
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => [name, process.env[name]] as const);
    for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : 'http://127.0.0.1:9';
    say('direct');
    const got = await ask(`http://127.0.0.1:${port}/`);
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    expect(got).toMatchObject({ ok: true, text: 'direct' });
  });

  it('is of what was sent, when something was', async () => {
    answer = (request, response) => {
      request.setEncoding('utf8');
      let text = '';
      request.on('data', (piece: string) => {
        text += piece;
      });
      request.on('end', () => response.end(`${request.method} ${request.headers['x-test']} ${text}`));
    };
    const outgoing = createOutgoing({ allowedPrivateNetworks: ['127.0.0.1/32'] });
    const sent = { url: `http://127.0.0.1:${port}/`, method: 'POST', headers: { 'x-test': 'a' }, body: 'b' } as const;
    expect(await outgoing({ ...sent, maxBytes: 100 })).toMatchObject({ ok: true, text: 'POST a b' });
  });
});
