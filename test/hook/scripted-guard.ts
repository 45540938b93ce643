import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';

/** A guard that does with a connection what a test wants. */
export interface ScriptedGuard {
  readonly path: string;
  /** The lines that it was sent. */
  readonly questions: string[];
  close(): Promise<void>;
}

/** Listens on a socket. `answer` is called with each line that comes. */
export async function scriptedGuard(answer: (socket: Socket, question: string) => void): Promise<ScriptedGuard> {
  const path = join(temporaryDirectory(), 'guard.sock');
  const questions: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      text += piece.toString();
      if (!text.endsWith('\n')) return;
      questions.push(text.trim());
      answer(socket, text);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    questions,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
