// better-auth's API keys on PostgreSQL. Verification is a server-side call without an endpoint of its own, so the least that
// node:http can do is around it; who asks is not authenticated. Its rate limit of ten uses a day is off. Each use is
// written to the key's row before the answer, as it comes.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';

const options = {
  database: new pg.Pool({ host: process.env.PGHOST, database: process.env.PGDATABASE, user: 'postgres', max: 10 }),
  secret: process.env.AUTH_SECRET,
  baseURL: 'http://127.0.0.1',
  emailAndPassword: { enabled: true },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
};
const auth = betterAuth(options);
await (await getMigrations(options)).runMigrations();

const { user } = await auth.api.signUpEmail({
  body: { email: 'bench@example.com', password: process.env.AUTH_SECRET, name: 'bench' },
});
const keys = [];
for (let at = 0; at < Number(process.env.KEYS); at += 1) {
  const { key } = await auth.api.createApiKey({ body: { userId: user.id, expiresIn: 86_400 * 30 } });
  keys.push(key);
}
writeFileSync(process.env.KEYS_FILE, keys.join('\n'), { mode: 0o600 });

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => {
    text += chunk;
  });
  request.on('end', async () => {
    const key = new URLSearchParams(text).get('token');
    const { valid } = await auth.api.verifyApiKey({ body: { key } });
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(JSON.stringify({ active: valid }));
  });
});
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  process.stdout.write(`${JSON.stringify({ event: 'listening', url, pid: process.pid })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
