import { createServer } from 'node:http';
import { built } from './harness/built.js';

// The built service with one query for each request, instead of one for all requests that wait: the caller's token and the
// one in question are two, so two ids a statement, and as many statements at once as postgres.js opens unless told otherwise.
const ONE_PER_REQUEST = { connections: 10, perStatement: 2 };

const { readConfig } = await built<typeof import('../src/config.js')>('config.js');
const { loadKeys } = await built<typeof import('../src/keys.js')>('keys.js');
const { createLog } = await built<typeof import('../src/http/log.js')>('http/log.js');
const { createService } = await built<typeof import('../src/service.js')>('service.js');

const config = readConfig(process.env);
const options = { url: config.databaseUrl ?? '', usesPrepared: true };
let url = '';
const service = await createService({
  options,
  direct: options,
  keys: await loadKeys(config),
  issuer: () => url,
  trustedProxies: [],
  log: createLog(config.logLevel, process.stderr),
  now: () => new Date(),
  lookupWidth: ONE_PER_REQUEST,
});
const server = createServer((request, response) => {
  if (!service.direct(request, response)) response.writeHead(404).end();
});
server.listen(config.port, config.host, () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  url = `http://127.0.0.1:${address.port}`;
  process.stdout.write(`${JSON.stringify({ event: 'listening', url, pid: process.pid })}\n`);
});
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => void service.close().then(() => process.exit(0)));
});
