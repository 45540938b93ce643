import { lstat, open, opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createScanner, type Sighting } from '../rules/scan.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';

interface Finding {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly token_id: string;
}

interface Tally {
  readonly findings: Finding[];
  readonly unreadable: string[];
  files: number;
}

const PIECE_BYTES = 1024 * 1024;
const STANDARD_INPUT = '-';

/** `scan`: finds tokens by form and checksum, offline. Exit 1 when there are any, 2 when there are none but something
 *  could not be read. */
export async function scan(paths: readonly string[], flags: { json?: true }): Promise<number> {
  if (paths.length === 0 && process.stdin.isTTY) throw new UsageError('name files or directories to scan, such as .');
  const tally: Tally = { findings: [], unreadable: [], files: 0 };
  const found = (finding: Finding) => {
    tally.findings.push(finding);
    if (!flags.json) print(`${printable(finding.file)}:${finding.line}:${finding.column}: ${finding.token_id}`);
  };
  for (const path of paths.length === 0 ? [STANDARD_INPUT] : paths) await scanNamed(path, tally, found);
  if (flags.json) {
    printJson({ findings: tally.findings, files: tally.files, unreadable: tally.unreadable });
  }
  sayOutcome(tally);
  if (tally.findings.length > 0) return 1;
  return tally.unreadable.length > 0 ? 2 : 0;
}

type Found = (finding: Finding) => void;

// What is named is read whatever it is, through a symbolic link too; what is met below a directory only if it is a file.
async function scanNamed(path: string, tally: Tally, found: Found): Promise<void> {
  if (path === STANDARD_INPUT) return await scanStream(path, process.stdin, tally, found);
  await orWarn(path, tally, async () => {
    if ((await stat(path)).isDirectory()) await scanDirectory(path, tally, found);
    else await scanFile(path, tally, found);
  });
}

async function scanDirectory(path: string, tally: Tally, found: Found): Promise<void> {
  for await (const entry of await opendir(path)) {
    const below = join(path, entry.name);
    if (entry.name === '.git') continue;
    await orWarn(below, tally, async () => {
      const kind = entry.isFile() || entry.isDirectory() ? entry : await lstat(below);
      if (kind.isDirectory()) await scanDirectory(below, tally, found);
      else if (kind.isFile()) await scanFile(below, tally, found);
    });
  }
}

async function scanFile(path: string, tally: Tally, found: Found): Promise<void> {
  const file = await open(path, 'r');
  try {
    const scanner = createScanner();
    const piece = Buffer.allocUnsafe(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) break;
      tell(path, scanner.push(piece.subarray(0, bytesRead)), found);
    }
  } finally {
    await file.close();
  }
  tally.files += 1;
}

async function scanStream(name: string, stream: AsyncIterable<unknown>, tally: Tally, found: Found): Promise<void> {
  const scanner = createScanner();
  for await (const piece of stream) {
    if (Buffer.isBuffer(piece)) tell(name, scanner.push(piece), found);
  }
  tally.files += 1;
}

function tell(file: string, sightings: readonly Sighting[], found: Found): void {
  for (const { line, column, publicId } of sightings) found({ file, line, column, token_id: publicId });
}

async function orWarn(path: string, tally: Tally, read: () => Promise<void>): Promise<void> {
  try {
    await read();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    tally.unreadable.push(path);
    say(`${printable(path)} cannot be read (${code})`);
  }
}

function sayOutcome({ findings, unreadable, files }: Tally): void {
  const read = `${files} ${files === 1 ? 'file' : 'files'} read`;
  const missed = unreadable.length > 0 ? `, ${unreadable.length} not readable` : '';
  if (findings.length === 0) {
    say(`No token found: ${read}${missed}.`);
    return;
  }
  const count = findings.length === 1 ? '1 token' : `${findings.length} tokens`;
  say(`${count} found: ${read}${missed}. To revoke them: countersign token revoke --stdin < FILE`);
}
