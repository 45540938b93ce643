import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

/** Keeps a second rotation of the same lineage out for as long as it is held. */
export interface RotationLock {
  release(): Promise<void>;
}

/** Takes the lock of a lineage on this machine; `undefined` when somebody has it. It is a name that the system gives back
 *  when its holder ends, however that ends: nothing is left to clean up. Whoever else on the machine takes the name puts
 *  the rotation off, which is reported, and gets nothing by it. Where the system has no such names there is no lock: then
 *  the service decides alone between two rotations. */
export async function takeRotationLock(url: string, lineageId: string): Promise<RotationLock | undefined> {
  const digest = createHash('sha256')
    .update(`${process.getuid?.() ?? ''} ${url} ${lineageId}`)
    .digest('hex');
  const path = nameOf(`countersign-rotate-${digest.slice(0, 32)}`);
  if (path === undefined) return { release: async () => {} };
  const server = createServer((socket) => socket.destroy());
  const isTaken = await new Promise<boolean>((resolve, reject) => {
    server.once('listening', () => resolve(true));
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
    );
    server.listen({ path });
  });
  if (!isTaken) return undefined;
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

function nameOf(name: string): string | undefined {
  if (process.platform === 'linux') return `\0${name}`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : undefined;
}
