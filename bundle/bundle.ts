import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';

/** Puts the command line together with the packages that come as hundreds of small modules: to find and read those is half
 *  of what a start takes. The others are read from where they were installed. Each is pinned, so that the copy here is the
 *  one that is installed too. */
const INLINED: readonly string[] = ['@hono/node-server', 'drizzle-orm', 'hono', 'jose', 'postgres', 'zod'];
const OUT = 'dist/bin';

const othersStayOutside: Plugin = {
  name: 'others-stay-outside',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^[^./]/ }, ({ path }) => (isInlined(path) ? undefined : { external: true }));
  },
};

function isInlined(path: string): boolean {
  return path.startsWith('dist/') || INLINED.some((name) => path === name || path.startsWith(`${name}/`));
}

/** Whose code is in it, and under which licence. Throws when a package that asks for its notice brings none. */
async function notices(): Promise<string> {
  const sections = INLINED.map(async (name) => {
    const directory = join('node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'));
    const file = (await readdir(directory)).find((one) => /^licen[cs]e/i.test(one));
    const title = `## ${name} ${version}: ${license}`;
    if (file !== undefined) return `${title}\n\n${(await readFile(join(directory, file), 'utf8')).trim()}`;
    switch (license) {
      case 'Unlicense':
        return `${title}\n\nIn the public domain.`;
      case 'Apache-2.0':
        return `${title}\n\nThe text of this licence is in LICENSE, beside the package.json of Countersign.`;
      default:
        throw new Error(`${name} has the licence ${license} and no text of it`);
    }
  });
  return `# Packages whose code is in these files\n\n${(await Promise.all(sections)).join('\n\n')}\n`;
}

await build({
  entryPoints: ['dist/cli/main.js'],
  entryNames: 'countersign',
  outdir: OUT,
  bundle: true,
  splitting: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  logLevel: 'warning',
  plugins: [othersStayOutside],
});
await writeFile(join(OUT, 'LICENSES.md'), await notices());
