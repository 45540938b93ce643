import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Subject } from '../harness/rounds.js';
import { startProcess } from '../harness/server-process.js';
import type { Stage } from '../harness/stage.js';
import { introspections, subjectOf } from './introspection.js';
import type { Ground } from './service.js';

const PEERS = fileURLToPath(new URL('../peers', import.meta.url));
const OIDC_TOKENS = 400;
const AUTH_KEYS = 2000;
const AT_ONCE = 16;

const tokenAnswer = z.object({ access_token: z.string() });

/** Whether the packages of the peers are installed. */
export function hasPeers(): boolean {
  return existsSync(join(PEERS, 'node_modules'));
}

/** oidc-provider: introspection of opaque client-credentials tokens that it holds in memory. */
export async function startOidcProvider(stage: Stage): Promise<Subject> {
  const secret = randomBytes(24).toString('hex');
  const server = await startProcess(stage, {
    name: 'oidc-provider',
    argv: [process.execPath, join(PEERS, 'oidc-provider.mjs')],
    env: { CLIENT_SECRET: secret },
    cwd: PEERS,
    isPinned: true,
  });
  const authorization = basic('bench', secret);
  const tokens = await clientTokens(stage, `${server.url}/token`, authorization, 'codex:exec', OIDC_TOKENS);
  const requests = introspections('/token/introspection', authorization, tokens);
  return subjectOf({ stage, name: 'oidc-provider', server, requests, expected: /"active":true/ });
}

/** better-auth: verification of API keys that it holds in a database of the ground's PostgreSQL. */
export async function startBetterAuth(stage: Stage, ground: Ground): Promise<Subject> {
  const database = 'better_auth';
  const keysFile = join(stage.directory, 'better-auth.keys');
  await ground.admin((sql) => sql`create database ${sql(database)}`);
  const server = await startProcess(stage, {
    name: 'better-auth',
    argv: [process.execPath, join(PEERS, 'better-auth.mjs')],
    env: {
      PGHOST: ground.socketDirectory,
      PGDATABASE: database,
      AUTH_SECRET: randomBytes(32).toString('hex'),
      KEYS: String(AUTH_KEYS),
      KEYS_FILE: keysFile,
    },
    cwd: PEERS,
    isPinned: true,
  });
  const requests = introspections('/', 'none', readFileSync(keysFile, 'utf8').split('\n'));
  const databaseUnder = ground.server.pid;
  return subjectOf({ stage, name: 'better-auth', server, requests, expected: /"active":true/, databaseUnder });
}

/** Tokens by RFC 6749 section 4.4, a few at a time. */
export async function clientTokens(
  stage: Stage,
  url: string,
  authorization: string,
  scope: string,
  count: number,
): Promise<string[]> {
  const tokens: string[] = [];
  const draw = async () => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope });
    const answer = await fetch(url, { method: 'POST', headers: { authorization }, body, signal: stage.signal });
    tokens.push(tokenAnswer.parse(await answer.json()).access_token);
  };
  while (tokens.length < count) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - tokens.length) }, draw));
  }
  return tokens;
}

/** HTTP Basic credentials. */
export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}
