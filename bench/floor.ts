import { createServer } from 'node:http';

/** The least that a node:http server can do for an introspection: read the same form, answer a constant. */
const ANSWER = JSON.stringify({ active: false });

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    text += chunk;
  });
  request.on('end', () => {
    const token = new URLSearchParams(text).get('token');
    response.writeHead(token === null ? 400 : 200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
    response.end(ANSWER);
  });
});
server.listen(Number(process.env['PORT'] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  process.stdout.write(
    `${JSON.stringify({ event: 'listening', url: `http://127.0.0.1:${address.port}`, pid: process.pid })}\n`,
  );
});
process.on('SIGTERM', () => server.close(() => process.exit(0)));
