import { UsageError } from './usage-error.js';

const MAX_SECRET_BYTES = 64 * 1024;

/** Reads a secret from standard input, without the white space around it. `hint` is a command line that shows how to
 *  pass it. Refuses a terminal, where it would be shown, and an empty input. */
export async function readSecret(what: string, hint: string): Promise<string> {
  const text = (await readInput(what, hint, MAX_SECRET_BYTES)).trim();
  if (text === '') throw new UsageError(`standard input is empty where ${what} should be. For example: ${hint}`);
  return text;
}

/** Reads all of standard input as UTF-8, `maxBytes` at most. */
export async function readInput(what: string, hint: string, maxBytes: number): Promise<string> {
  if (process.stdin.isTTY) {
    throw new UsageError(`${what} is read from standard input, which is a terminal here. For example: ${hint}`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxBytes) throw new UsageError(`standard input is longer than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
