import { openEmbedded } from '../../src/store/embedded.js';

// A process that can be killed: holds the embedded PostgreSQL of a directory until its standard input ends.
const [dataDir = ''] = process.argv.slice(2);
try {
  const server = await openEmbedded({ dataDir, purpose: 'serve' });
  process.stdout.write(`${server.socketPath}\n`);
  process.stdin.resume().once('end', () => void server.stop());
} catch (error) {
  process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
