import { closeSync, lstatSync, opendirSync, openSync, readSync, statSync } from 'node:fs';
import { normalize } from 'node:path';
import type { NewScanner, Tally } from './scan-tally.js';

const SEPARATOR = Buffer.from('/');
const HERE = Buffer.from('.');
export const STANDARD_INPUT = '-';

// One for all files: a scanner copies what it keeps.
const piece = Buffer.allocUnsafe(1024 * 1024);

/** Scans what is named: a file, a directory to its bottom, or `-`. What is named is read whatever it is, through a symbolic
 *  link too; what is met below a directory only if it is a file. Reads synchronously, which costs a small file a fifth. */
export async function scanNamed(path: string, newScanner: NewScanner, tally: Tally): Promise<void> {
  if (path === STANDARD_INPUT) return await scanStandardInput(newScanner, tally);
  orWarn(Buffer.from(path), tally, () => {
    if (statSync(path).isDirectory()) scanDirectory(Buffer.from(normalize(path)), newScanner, tally);
    else scanFile(Buffer.from(path), newScanner, tally);
  });
}

// Names are bytes: not all of them are UTF-8, and no file hides behind its name.
function scanDirectory(path: Buffer, newScanner: NewScanner, tally: Tally): void {
  const directory = opendirSync(path, { encoding: 'latin1' });
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      if (entry.name === '.git') continue;
      const below = join(path, Buffer.from(entry.name, 'latin1'));
      const isKnown = entry.isFile() || entry.isDirectory() ? entry : undefined;
      orWarn(below, tally, () => {
        const kind = isKnown ?? lstatSync(below);
        if (kind.isDirectory()) scanDirectory(below, newScanner, tally);
        else if (kind.isFile()) scanFile(below, newScanner, tally);
      });
    }
  } finally {
    directory.closeSync();
  }
}

function join(directory: Buffer, name: Buffer): Buffer {
  if (directory.equals(HERE)) return name;
  return Buffer.concat([directory, ...(directory.at(-1) === SEPARATOR[0] ? [] : [SEPARATOR]), name]);
}

function scanFile(path: Buffer, newScanner: NewScanner, tally: Tally): void {
  const document = { file: path.toString() };
  const file = openSync(path, 'r');
  try {
    const scanner = newScanner();
    for (let length = readSync(file, piece); length > 0; length = readSync(file, piece)) {
      tally.take(document, scanner.push(piece.subarray(0, length)));
    }
    tally.take(document, scanner.end());
  } finally {
    closeSync(file);
  }
  tally.files += 1;
}

async function scanStandardInput(newScanner: NewScanner, tally: Tally): Promise<void> {
  const document = { file: STANDARD_INPUT };
  const scanner = newScanner();
  const stream: AsyncIterable<unknown> = process.stdin;
  for await (const bytes of stream) {
    if (Buffer.isBuffer(bytes)) tally.take(document, scanner.push(bytes));
  }
  tally.take(document, scanner.end());
  tally.files += 1;
}

function orWarn(path: Buffer, tally: Tally, read: () => void): void {
  try {
    read();
  } catch (error) {
    tally.cannotRead(path.toString(), error instanceof Error && 'code' in error ? String(error.code) : String(error));
  }
}
