import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What is measured: the built package. `BENCH_DIST` names another build. */
export const DIST = resolve(process.env['BENCH_DIST'] ?? fileURLToPath(new URL('../../dist', import.meta.url)));

/** The directory whose packages the build uses. */
export const PACKAGE = dirname(DIST);

/** The built command line. */
export const MAIN = join(DIST, 'bin/countersign.js');

/** Loads a module of the build: the bench prepares its data with the code that it measures.
 *  @example const { newId } = await built<typeof import('../../src/rules/format.js')>('rules/format.js'); */
export async function built<Module>(path: string): Promise<Module> {
  return import(pathToFileURL(join(DIST, path)).href);
}
