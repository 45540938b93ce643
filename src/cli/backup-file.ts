import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Signer } from '../http/jwt.js';
import type { Contents, TableCopy, Write } from '../store/backup.js';
import { RestoreError, type Source } from '../store/restore.js';
import { VERSION } from '../version.js';
import { HostRefusal } from './host-refusal.js';

/** The first line of a backup. Then come the rows of its tables, and last a line that names and signs all of it. */
const FIRST_LINE = 'countersign-backup 1\n';
const KIND = 'countersign-backup';
const MAX_LAST_LINE = 1024 * 1024;
const PIECE = 256 * 1024;
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

const names = z.array(z.string());
const manifest = z.object({
  kind: z.literal(KIND),
  format: z.literal(1),
  version: z.string(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  migrations: names,
  months: z.array(z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/)),
  tables: z.array(
    z.object({
      name: z.string(),
      columns: names,
      rows: z.int().min(0),
      bytes: z.int().min(0),
      sha256: z.string(),
    }),
  ),
});

/** What the last line of a backup says. */
export type Manifest = z.output<typeof manifest>;

/** Writes a backup, mode 0600, where there is nothing yet: it gets its name when it is whole and on the disk. `copy` writes
 *  the rows. Gives how many bytes it has; `undefined`, and no file, when there was nothing to copy. */
export async function saveBackup(
  path: string,
  signer: Signer,
  copy: (write: Write) => Promise<Contents | undefined>,
): Promise<{ readonly contents: Contents; readonly bytes: number } | undefined> {
  await requireAbsent(path);
  const draft = `${path}.${randomUUID()}.part`;
  const file = await open(draft, 'wx', 0o600);
  try {
    await file.writeFile(FIRST_LINE);
    const contents = await copy(async (piece) => {
      await file.writeFile(piece);
    });
    if (contents === undefined) return undefined;
    const { at, ...rest } = contents;
    const said = { kind: KIND, format: 1, version: VERSION, at: at.toISOString(), ...rest };
    await file.writeFile(`${await signer.signDocument(said)}\n`);
    await file.sync();
    const { size } = await file.stat();
    await giveName(draft, path);
    return { contents, bytes: size };
  } finally {
    await file.close();
    await rm(draft, { force: true });
  }
}

/** Refuses a place where something is, a symbolic link to nothing included. */
async function requireAbsent(path: string): Promise<void> {
  if (await isThere(path)) throw new HostRefusal('file_exists', `${path} is there already: a backup replaces no file`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

// A link, unlike a rename, never replaces what somebody put there meanwhile.
async function giveName(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path);
  } catch (error) {
    if (!NO_LINKS.has(codeOf(error) ?? '')) throw error;
    await requireAbsent(path);
    await rename(draft, path);
  }
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A backup that was looked through: one of the service's keys has signed it, and every byte is the one that was signed. */
export interface OpenedBackup extends Source {
  readonly manifest: Manifest;
  close(): Promise<void>;
}

/** Opens a backup. Throws {@link RestoreError} for what is none, is not whole, was changed, or was signed by a key that is
 *  not among the service's; without a signer nobody asks who made it. */
export async function openBackup(path: string, signer: Signer | undefined): Promise<OpenedBackup> {
  const file = await open(path, 'r');
  try {
    const told = await readManifest(file, signer);
    const offsets = new Map<string, number>();
    let end = FIRST_LINE.length;
    for (const { name, bytes } of told.manifest.tables) {
      offsets.set(name, end);
      end += bytes;
    }
    if (end !== told.bodyEnd || offsets.size !== told.manifest.tables.length) throw damaged('its parts do not fit');
    const rowsOf = (table: TableCopy) => section(file, offsets.get(table.name) ?? 0, table);
    for (const table of told.manifest.tables) for await (const _ of rowsOf(table));
    return { manifest: told.manifest, contents: told.manifest, rowsOf, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readManifest(
  file: FileHandle,
  signer: Signer | undefined,
): Promise<{ manifest: Manifest; bodyEnd: number }> {
  const stats = await file.stat();
  const first = stats.isFile() ? await read(file, 0, FIRST_LINE.length) : Buffer.alloc(0);
  if (first.toString('latin1') !== FIRST_LINE) {
    throw new RestoreError('not_a_backup', 'this is not a backup of Countersign, or one of a later form');
  }
  const from = Math.max(FIRST_LINE.length, stats.size - MAX_LAST_LINE);
  const tail = (await read(file, from, stats.size - from)).toString('latin1');
  const lineStart = tail.lastIndexOf('\n', tail.length - 2) + 1;
  const line = tail.slice(lineStart);
  if (!/^[\w-]+\.[\w-]+\.[\w-]+\n$/.test(line)) throw damaged('its end is missing');
  const document = signer ? await signer.readDocument(line.trim()) : unverified(line);
  if (document === undefined) {
    throw new RestoreError(
      'bad_signature',
      'none of the signing keys at hand has signed this backup: it was changed, or the keys of its service are not in place; --unverified takes it all the same',
    );
  }
  const parsed = manifest.safeParse(document);
  if (!parsed.success) throw new RestoreError('not_a_backup', 'this is a backup of a later form');
  return { manifest: parsed.data, bodyEnd: from + lineStart };
}

function unverified(jws: string): unknown {
  try {
    return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The bytes of a table. Whoever reads them to the end knows that they are the right ones. */
async function* section(file: FileHandle, offset: number, { name, bytes, sha256 }: TableCopy): AsyncGenerator<Buffer> {
  const digest = createHash('sha256');
  for (let done = 0; done < bytes; ) {
    const piece = await read(file, offset + done, Math.min(PIECE, bytes - done));
    if (piece.length === 0) break;
    digest.update(piece);
    done += piece.length;
    yield piece;
  }
  if (digest.digest('hex') !== sha256) throw damaged(`the rows of ${name} are not those that were signed`);
}

async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position, length });
  return buffer.subarray(0, bytesRead);
}

function damaged(why: string): RestoreError {
  return new RestoreError('damaged', `the backup is damaged: ${why}`);
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
