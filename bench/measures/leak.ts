import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { type Connection, connectTo, expectStatus, jsonHeaders } from '../harness/client.js';
import { startJob } from '../harness/job.js';
import { listenOnLoopback } from '../harness/loopback.js';
import { onStage, type Stage } from '../harness/stage.js';
import { quantile } from '../harness/statistics.js';
import type { Finding } from '../report/finding.js';
import { TARGETS } from '../report/targets.js';
import { makeDatabase } from '../systems/database.js';
import { startNode, tokenOf } from '../systems/service.js';
import type { Measure } from './measure.js';

const WORKFLOW = 'leaks';
/** Enough for a 99th percentile that is not the worst of all. */
const RUNS_A_REPEAT = 10;
const POLL_MS = 1;
const PATIENCE_MS = 30_000;

/** From the sending of a signed alert of GitHub until its token is dead, its job gone, and its owner told. */
export const leak: Measure = {
  part: 'leak',
  title: 'A leak that GitHub reports',
  run: (stage, ground, plan) =>
    onStage(stage, async (inner) => {
      const groups = [
        { workflow: 'callers', scopes: ['tokens:introspect'], count: 1 },
        { workflow: 'admins', scopes: ['workspace:admin'], count: 1 },
        { workflow: WORKFLOW, scopes: ['codex:exec'], count: plan.repeats * RUNS_A_REPEAT },
      ];
      // Of its own: a node that may not send to loopback would take messages and fail.
      const { database, tokens } = await makeDatabase(inner, ground, { name: 'bench_leak', groups, rows: 10_000 });
      const github = await startGithub(inner);
      const receiver = await startReceiver(inner);
      const server = await startNode(inner, ground, {
        name: 'leak',
        isPinned: false,
        database,
        env: { COUNTERSIGN_ALLOWED_PRIVATE_NETWORKS: '127.0.0.1/32', COUNTERSIGN_GITHUB_KEYS_URL: github.keysUrl },
      });
      const connections = [connectTo(server.url), connectTo(server.url)] as const;
      for (const { close } of connections) inner.atEnd(close);
      const webhook = JSON.stringify({ url: receiver.url, events: ['token.revoked'] });
      const admin = jsonHeaders(tokenOf(tokens, 'admins'));
      expectStatus(await connections[0].post('/v1/webhooks', admin, webhook), 201);
      const scene = { url: server.url, connections, github, receiver, caller: tokenOf(tokens, 'callers') };
      const spans: Span[] = [];
      for (const token of tokens.get(WORKFLOW) ?? []) spans.push(await spanOf(inner, scene, token));
      return [
        ...figures(
          'GitHub has its answer',
          spans.map(({ answered }) => answered),
        ),
        ...figures(
          'introspection says inactive',
          spans.map(({ dead }) => dead),
        ),
        ...figures(
          'the job is gone',
          spans.map(({ gone }) => gone),
        ),
        ...figures(
          'the webhook has its message',
          spans.map(({ told }) => told),
        ),
        { what: 'alerts', value: spans.length, unit: '' },
      ];
    }),
};

function figures(what: string, spans: readonly number[]): readonly Finding[] {
  const common = { unit: 'ms' } as const;
  return [
    { ...common, what: `from the alert until ${what}: p50`, value: quantile(spans, 0.5) },
    { ...common, what: `from the alert until ${what}: p99`, value: quantile(spans, 0.99), target: TARGETS.leak },
  ];
}

/** How long each took, from the sending of the alert, in ms. */
interface Span {
  readonly answered: number;
  readonly dead: number;
  readonly gone: number;
  readonly told: number;
}

interface Scene {
  readonly url: string;
  /** One for the alerts, one for the questions. */
  readonly connections: readonly [Connection, Connection];
  readonly github: Github;
  readonly receiver: Receiver;
  readonly caller: string;
}

function spanOf(stage: Stage, scene: Scene, token: string): Promise<Span> {
  const { url, connections, github, receiver, caller } = scene;
  return onStage(stage, async (inner) => {
    const job = await startJob(inner, { url, workflow: WORKFLOW, token });
    const body = JSON.stringify([
      { token, type: 'countersign_token', url: 'https://github.com/acme/shop', source: 'commit' },
    ]);
    const headers = github.signed(body);
    const told = receiver.told(`tok_${token.slice(4, 26)}`);
    const alert = connections[0].post('/v1/leaks/github', headers, body);
    const [answer, dead, gone, toldMs] = await Promise.all([
      alert,
      untilDead(inner, connections[1], caller, token),
      job.untilGone(),
      told,
    ]);
    if (!expectStatus(answer, 200).includes('true_positive')) throw new Error('GitHub was told of no token');
    await job.untilRefused();
    const since = (ms: number) => ms - answer.sentMs;
    return { answered: since(answer.answeredMs), dead: since(dead), gone: since(gone), told: since(toldMs) };
  });
}

/** Asks again and again. */
async function untilDead(stage: Stage, connection: Connection, caller: string, token: string): Promise<number> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: `Bearer ${caller}` };
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await connection.post('/oauth2/introspect', headers, `token=${token}`);
    if (expectStatus(answer, 200) === '{"active":false}') return answer.answeredMs;
    if (performance.now() > deadline) throw new Error('the token is not dead');
    await pause(POLL_MS, undefined, { signal: stage.signal });
  }
}

interface Github {
  readonly keysUrl: string;
  signed(body: string): Readonly<Record<string, string>>;
}

/** The keys that GitHub signs with, and what it sends with an alert. */
async function startGithub(stage: Stage): Promise<Github> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const list = JSON.stringify({ public_keys: [{ key_identifier: 'bench', key, is_current: true }] });
  const keysUrl = await listenOnLoopback(stage, (_, response) => response.end(list));
  return { keysUrl, signed: (body) => signedHeaders(privateKey, body) };
}

function signedHeaders(key: KeyObject, body: string): Readonly<Record<string, string>> {
  return {
    'content-type': 'application/json',
    'github-public-key-identifier': 'bench',
    'github-public-key-signature': sign('sha256', Buffer.from(body), key).toString('base64'),
  };
}

interface Receiver {
  readonly url: string;
  /** Gives when the message about a token was there whole, on the monotonic clock. */
  told(target: string): Promise<number>;
}

async function startReceiver(stage: Stage): Promise<Receiver> {
  const waiting = new Map<string, (atMs: number) => void>();
  const url = await listenOnLoopback(stage, (request, response) => {
    void text(request).then((body) => {
      const atMs = performance.now();
      response.writeHead(204).end();
      const [, target] = /"target":"(tok_\w+)"/.exec(body) ?? [];
      if (target !== undefined) waiting.get(target)?.(atMs);
    });
  });
  const told = (target: string) =>
    new Promise<number>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('the webhook was told nothing')), PATIENCE_MS);
      waiting.set(target, (atMs) => {
        clearTimeout(late);
        resolve(atMs);
      });
    });
  return { url, told };
}
