import { connect } from 'node:net';
import { denial, parseRuling, type Ruling } from './ruling.js';

const MOST_ANSWER_BYTES = 64 * 1024;

/** Asks the guard about an event, over its socket: a line of JSON each way. Whatever is not a complete ruling is a
 *  denial. Waits for as long as the guard keeps the connection open: the caller bounds the time. */
export function askGuard(socketPath: string, question: object): Promise<Ruling> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    // As a path in any case: a bare number would be a port.
    const socket = connect({ path: socketPath });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      resolve(denial(`the guard cannot be reached (${error.code ?? 'error'}): is its process gone?`));
    });
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MOST_ANSWER_BYTES) socket.destroy();
    });
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString();
      const ruling = length <= MOST_ANSWER_BYTES && text.endsWith('\n') ? parseRuling(text) : undefined;
      resolve(ruling ?? denial('the guard gave no answer that can be understood'));
    });
    socket.end(`${JSON.stringify(question)}\n`);
  });
}
