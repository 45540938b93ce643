import { readFile } from 'node:fs/promises';
import { printable } from './printable.js';
import { readInput } from './stdin.js';
import { UsageError } from './usage-error.js';

const MAX_BYTES = 1_048_576;

/** Reads a JSON document from a file, or from standard input without one and for `-`. `hint` is a command line that shows
 *  how to pass it. What is in it is not repeated in the message of an error: it may be a secret. */
export async function readJson(file: string | undefined, what: string, hint: string): Promise<unknown> {
  const { text, name } = await readSource(file, what, hint);
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${name} is not JSON`);
  }
}

/** As {@link readJson}, a list: a JSON array, or a JSON document on each line. */
export async function readJsonList(file: string | undefined, what: string, hint: string): Promise<unknown> {
  const { text, name } = await readSource(file, what, hint);
  try {
    const document: unknown = JSON.parse(text);
    return Array.isArray(document) ? document : [document];
  } catch {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, at) => parseLine(line, `line ${at + 1} of ${name}`));
  }
}

function parseLine(line: string, name: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new UsageError(`${name} is not JSON`);
  }
}

async function readSource(file: string | undefined, what: string, hint: string) {
  const isInput = file === undefined || file === '-';
  const text = isInput ? await readInput(what, hint, MAX_BYTES) : await readText(file, what);
  return { text, name: isInput ? 'standard input' : printable(file) };
}

async function readText(file: string, what: string): Promise<string> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${what} cannot be read from ${printable(file)}: ${error.code ?? 'it is no file'}`);
  });
}
