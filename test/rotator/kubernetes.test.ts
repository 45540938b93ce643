import { spawnSync } from 'node:child_process';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseSink } from '../../src/rotator/parse-sink.js';
import { removeTemporaryDirectories, temporaryDirectory } from '../cli/command-line.js';

const SECRET = `cst_${'1'.repeat(22)}_${'2'.repeat(49)}`;
const { signal } = new AbortController();
const PATH = '/api/v1/namespaces/ci/secrets/agent';

/** The directory of a service account: its token, and the authority of the API. */
let account: string;
let server: Server;
let port: number;
let data: Record<string, string> | undefined;
let asked: string[] = [];
let instead: { status: number; body: string; headers?: Record<string, string> } | undefined;

/** The API of Kubernetes, as far as the sink has business with it. */
async function answer(request: IncomingMessage): Promise<[number, object]> {
  asked.push(`${request.method} ${request.url}`);
  const token = readFileSync(join(account, 'token'), 'utf8').trim();
  if (request.headers.authorization !== `Bearer ${token}`) return [401, { kind: 'Status', code: 401 }];
  if (request.url !== PATH || data === undefined) return [404, { kind: 'Status', code: 404 }];
  if (request.method === 'PATCH') {
    if (request.headers['content-type'] !== 'application/merge-patch+json') return [415, { kind: 'Status' }];
    const { data: patch, ...more } = JSON.parse(await text(request));
    if (Object.keys(more).length > 0) return [422, { kind: 'Status' }];
    data = { ...data, ...patch };
  } else if (request.method !== 'GET') return [405, { kind: 'Status' }];
  return [
    200,
    { kind: 'Secret', apiVersion: 'v1', metadata: { name: 'agent', namespace: 'ci' }, type: 'Opaque', data },
  ];
}

function makeCertificate(directory: string): void {
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'ca.crt')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const made = spawnSync('openssl', ['req', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr ?? made.error}`);
}

beforeAll(async () => {
  account = temporaryDirectory();
  makeCertificate(account);
  const identity = { key: readFileSync(join(account, 'key.pem')), cert: readFileSync(join(account, 'ca.crt')) };
  server = createServer(identity, (request, response) => {
    if (instead) {
      response.writeHead(instead.status, instead.headers).end(instead.body);
      return;
    }
    void answer(request).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = address === null || typeof address === 'string' ? 0 : address.port;
});
beforeEach(() => {
  writeFileSync(join(account, 'token'), 'a-service-account-token\n');
  data = { other: 'a2VwdA==' };
  asked = [];
  instead = undefined;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  removeTemporaryDirectories();
});

const sinkOf = (directory = account, what = 'kubernetes:ci/agent#token') =>
  parseSink(what, {
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: String(port),
    KUBERNETES_SERVICE_ACCOUNT_DIR: directory,
  });

test('a key of a Secret is patched in base64 and read back, and the other keys stay', async () => {
  expect(await sinkOf().read?.(signal)).toBeUndefined();
  await sinkOf().write(SECRET, signal);
  expect(data).toEqual({ other: 'a2VwdA==', token: Buffer.from(SECRET).toString('base64') });
  expect(await sinkOf().read?.(signal)).toBe(SECRET);
  expect(asked).toEqual([`GET ${PATH}`, `PATCH ${PATH}`, `GET ${PATH}`]);
});

test('the token of the service account is read at each use: the cluster replaces it', async () => {
  const sink = sinkOf();
  await sink.write(SECRET, signal);
  writeFileSync(join(account, 'token'), 'another-token');
  expect(await sink.read?.(signal)).toBe(SECRET);
});

test('an API that the authority of the pod does not vouch for gets no token', async () => {
  const elsewhere = temporaryDirectory();
  makeCertificate(elsewhere);
  cpSync(join(account, 'token'), join(elsewhere, 'token'));
  await expect(sinkOf(elsewhere).write(SECRET, signal)).rejects.toThrow('cannot be reached');
  await expect(sinkOf(temporaryDirectory()).write(SECRET, signal)).rejects.toThrow('cannot be read');
  expect(asked).toEqual([]);
});

test('a Secret that is not there is not made', async () => {
  data = undefined;
  await expect(sinkOf().read?.(signal)).rejects.toThrow('not there');
  await expect(sinkOf().write(SECRET, signal)).rejects.toThrow('not there');
});

test('what the API refuses is told without what was sent, and no redirect is followed', async () => {
  for (const one of [
    { status: 403, body: `{"kind":"Status","message":"${SECRET}"}` },
    { status: 500, body: 'internal' },
    { status: 200, body: '<html>sign in</html>' },
    { status: 200, body: '{"kind":"Status"}' },
    { status: 308, body: '', headers: { location: `https://127.0.0.1:${port}/elsewhere` } },
  ]) {
    instead = one;
    const message = await sinkOf().write(SECRET, signal).then(String, String);
    expect(message).toMatch(`status ${one.status}`);
    expect(message).not.toMatch(/cst_|a-service-account-token/);
  }
  expect(asked).toEqual([]);
});
