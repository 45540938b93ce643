import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { MOST_EVENT_BYTES } from '../hook/input.js';
import { denial, type Ruling } from '../hook/ruling.js';

/** What a hook asks: the event as the agent gave it, and what `hooks verify` had it carry. */
export interface HookQuestion {
  readonly event: Readonly<Record<string, unknown>>;
  readonly canary?: string | undefined;
}

/** A socket on which hooks ask. */
export interface HookSocket {
  readonly path: string;
  /** Answers nobody any more, and takes the socket away. */
  close(): Promise<void>;
}

const PREFIX = 'countersign-guard-';
const NAME = 'hooks';
/** What a socket's path may be long on every system. */
const MOST_PATH_BYTES = 100;
const MOST_QUESTION_BYTES = MOST_EVENT_BYTES + 65_536;
const MOST_CONNECTIONS = 32;
/** How long a question may be on its way, and its answer. Longer than any hook waits. */
const CONNECTION_MS = 20_000;
const STALE_MS = 3_600_000;

const question = z.strictObject({
  event: z.record(z.string(), z.unknown()),
  canary: z.string().max(200).optional(),
}) satisfies z.ZodType<HookQuestion>;

/** Opens a socket that only this user can reach. One question a connection: a line of JSON each way. What is not
 *  understood, or fails while it is decided, is denied; what is too large or comes while too many wait is cut, and the hook
 *  denies. Throws when there is no place for a socket. */
export async function openHookSocket(rule: (question: HookQuestion) => Promise<Ruling>): Promise<HookSocket> {
  const directory = await makeDirectory();
  const path = join(directory, NAME);
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, rule));
  server.maxConnections = MOST_CONNECTIONS;
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  try {
    await listen(server, path);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function serve(socket: Socket, rule: (question: HookQuestion) => Promise<Ruling>): Promise<void> {
  socket.on('error', () => undefined);
  socket.setTimeout(CONNECTION_MS, () => socket.destroy());
  const text = await lineOf(socket);
  if (text === undefined) {
    socket.destroy();
    return;
  }
  const ruling = await rulingOn(text, rule);
  socket.end(`${JSON.stringify(ruling)}\n`);
}

async function rulingOn(text: string, rule: (question: HookQuestion) => Promise<Ruling>): Promise<Ruling> {
  try {
    return await rule(question.parse(JSON.parse(text)));
  } catch {
    return denial('the guard cannot make out what it is asked');
  }
}

/** The first line that comes, whole; `undefined` when the connection ends before, or the line is too long. */
async function lineOf(socket: Socket): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  return await new Promise((resolve) => {
    const stop = (text: string | undefined) => {
      socket.off('data', take);
      resolve(text);
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > MOST_QUESTION_BYTES) stop(undefined);
      else if (chunk.includes(0x0a)) stop(Buffer.concat(chunks).toString());
    };
    socket.on('data', take);
    socket.once('end', () => stop(undefined));
    socket.once('close', () => stop(undefined));
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // A connection that cannot be accepted is that hook's denial, not the end of the guard.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

/** A private directory (0700) in which a socket's path is short enough. */
async function makeDirectory(): Promise<string> {
  const places = [tmpdir(), '/tmp'].filter((place) => join(place, `${PREFIX}XXXXXX`, NAME).length <= MOST_PATH_BYTES);
  let failure: unknown;
  for (const place of places) {
    try {
      await removeStale(place);
      return await mkdtemp(join(place, PREFIX));
    } catch (error) {
      failure = error;
    }
  }
  throw failure ?? new Error('the path of the directory for temporary files is too long for a socket');
}

/** Takes away what guards left that were killed: sockets of this user's on which nobody listens. */
async function removeStale(place: string): Promise<void> {
  const names = (await readdir(place)).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const directory = join(place, name);
    const isLeft = await isStale(directory).catch(() => false);
    if (isLeft) await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function isStale(directory: string): Promise<boolean> {
  const facts = await lstat(directory);
  if (!facts.isDirectory() || facts.uid !== process.getuid?.()) return false;
  const end = await tryToConnect(join(directory, NAME));
  // Without a socket it is a guard at its start, unless it has been at it for an hour.
  return end === 'ECONNREFUSED' || (end === 'ENOENT' && Date.now() - facts.mtimeMs > STALE_MS);
}

function tryToConnect(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
}
