import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Subject } from '../harness/rounds.js';
import { startProcess } from '../harness/server-process.js';
import type { Stage } from '../harness/stage.js';
import { introspections, subjectOf } from './introspection.js';
import { basic, clientTokens } from './peers.js';

const SCHEMA = '/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz';
const TOKENS = 300;
const SCOPE = 'bench';
// What its schema comes with.
const ADMIN = { username: 'admin', password: 'password' };

/** What is missing to run Debian's glewlwyd; `undefined` when nothing is. */
export function missingForGlewlwyd(): string | undefined {
  const missing = ['glewlwyd', 'sqlite3'].filter((name) => spawnSync(name, ['--version']).error !== undefined);
  if (missing.length > 0) return `apt-get install ${missing.join(' ')}`;
  return existsSync(SCHEMA) ? undefined : 'glewlwyd came without its documentation, and with it without its schema';
}

/** glewlwyd on SQLite, as Debian sets it up, with its OpenID Connect plugin: introspection of client-credentials tokens. Those
 *  are JWTs, which it also looks up. Signed with HS256, the cheapest that
 *  it has. The caller shows a token too: a client's secret costs it a password hash, 16 ms, each time. */
export async function startGlewlwyd(stage: Stage): Promise<Subject> {
  const port = await freePort();
  const database = join(stage.directory, 'glewlwyd.db');
  execFileSync('sqlite3', [database], { input: gunzipSync(readFileSync(SCHEMA)) });
  const config = join(stage.directory, 'glewlwyd.conf');
  writeFileSync(config, configuration(port, database), { mode: 0o600 });
  const url = `http://127.0.0.1:${port}`;
  const argv = ['glewlwyd', `--config-file=${config}`];
  const server = await startProcess(stage, { name: 'glewlwyd', argv, isPinned: true, url });

  const secret = randomBytes(24).toString('hex');
  await setUp(url, secret);
  const authorization = basic('bench', secret);
  const tokens = await clientTokens(stage, `${url}/api/oidc/token`, authorization, SCOPE, TOKENS);
  const caller = `Bearer ${tokens[0]}`;
  const requests = introspections('/api/oidc/introspect', caller, tokens);
  return subjectOf({ stage, name: 'glewlwyd', server, requests, expected: /"active":true/ });
}

async function setUp(url: string, secret: string): Promise<void> {
  const signIn = await post(`${url}/api/auth/`, ADMIN, '');
  const cookie = signIn.headers.getSetCookie()[0]?.split(';', 1)[0] ?? '';
  const parameters = {
    iss: `${url}/api/oidc`,
    'jwt-type': 'sha',
    'jwt-key-size': '256',
    key: randomBytes(32).toString('hex'),
    'access-token-duration': 86_400,
    'refresh-token-duration': 86_400,
    'code-duration': 600,
    'refresh-token-rolling': true,
    'allow-non-oidc': true,
    'auth-type-id-token-enabled': true,
    'auth-type-client-enabled': true,
    'introspection-revocation-allowed': true,
    'introspection-revocation-allow-target-client': true,
    'introspection-revocation-auth-scope': [SCOPE],
    'subject-type': 'public',
  };
  const plugin = { module: 'oidc', name: 'oidc', display_name: 'oidc', order_rank: 0, readonly: false, enabled: true };
  await post(`${url}/api/mod/plugin/`, { ...plugin, parameters }, cookie);
  await post(`${url}/api/scope/`, { name: SCOPE, display_name: SCOPE, password_required: false }, cookie);
  const client = {
    client_id: 'bench',
    password: secret,
    confidential: true,
    enabled: true,
    scope: [SCOPE],
    authorization_type: ['client_credentials'],
    token_endpoint_auth_method: ['client_secret_basic'],
  };
  await post(`${url}/api/client/`, client, cookie);
}

async function post(url: string, body: unknown, cookie: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', cookie };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${new URL(url).pathname} answered ${answer.status} ${text.slice(0, 200)}`);
  return answer;
}

function configuration(port: number, database: string): string {
  return `port=${port}
bind_address="127.0.0.1"
external_url="http://127.0.0.1:${port}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="ERROR"
cookie_domain="127.0.0.1"
cookie_secure=0
session_expiration=86400
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="/usr/lib/glewlwyd/user"
client_module_path="/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
plugin_module_path="/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database={ type = "sqlite3" path = "${database}" };
`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else resolve(address.port);
    });
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
