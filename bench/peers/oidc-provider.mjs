// oidc-provider as its documentation sets it up: its own in-memory adapter, opaque client-credentials tokens, introspection
// on. The adapter forgets what is over a thousand entries, so the bench asks it for a few hundred tokens.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const SECRET = process.env.CLIENT_SECRET;
const client = (client_id) => ({
  client_id,
  client_secret: SECRET,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  token_endpoint_auth_method: 'client_secret_basic',
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    clients: [client('bench')],
    scopes: ['codex:exec', 'repo:read'],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
    },
    ttl: { ClientCredentials: 86_400 },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${JSON.stringify({ event: 'listening', url, pid: process.pid })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
