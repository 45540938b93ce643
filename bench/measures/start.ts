import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DIST, MAIN, PACKAGE } from '../harness/built.js';
import { startProcess } from '../harness/server-process.js';
import { onStage, type Stage } from '../harness/stage.js';
import { median } from '../harness/statistics.js';
import { TARGETS } from '../report/targets.js';
import { type Ground, startNode } from '../systems/service.js';
import type { Measure } from './measure.js';

const IMPORT = /^(?:import|export)(?:\s[^'"()=;]*?\sfrom)?\s['"]([^'"]+)['"]/gm;

const LAZY_IMPORT = /\bimport\(['"]([^'"]+)['"]\)/g;
/** The command that is measured. What it imports when it runs counts too. */
const SERVE = join(DIST, 'cli/serve.js');
// The command line before it was put together with its parts: the packages are those of its modules.
const UNBUNDLED = join(DIST, 'cli/main.js');

/** From the start of a node to its first 200, against a process that only imports the same packages. */
export const start: Measure = {
  part: 'start',
  title: 'Start',
  run: async (stage, ground, plan) => {
    const packages = packagesOf([UNBUNDLED, SERVE]);
    const starts: number[] = [];
    const imports: number[] = [];
    const own: number[] = [];
    for (let round = 0; round < plan.repeats; round += 1) {
      starts.push(await startMs(stage, ground));
      imports.push(await importMs(stage, packages));
      own.push(await embeddedStartMs(stage));
    }
    const over = median(starts.map((ms, at) => ms / (imports[at] ?? Number.NaN)));
    return [
      { what: 'to the first 200 / importing the same packages', value: over, unit: '×', target: TARGETS.start },
      { what: 'a node, to the first 200 of /readyz', value: median(starts), unit: 'ms' },
      { what: 'importing its packages alone', value: median(imports), unit: 'ms', note: packages.join(' ') },
      { what: 'on an empty directory, to its listening', value: median(own), unit: 'ms', note: 'makes a PostgreSQL' },
    ];
  },
};

function startMs(stage: Stage, ground: Ground): Promise<number> {
  return onStage(stage, async (inner) => {
    const startedMs = performance.now();
    const server = await startNode(inner, ground, { name: 'start', isPinned: false });
    const answer = await fetch(`${server.url}/readyz`);
    const ms = performance.now() - startedMs;
    if (!answer.ok) throw new Error(`/readyz answered ${answer.status}`);
    await answer.body?.cancel();
    return ms;
  });
}

function embeddedStartMs(stage: Stage): Promise<number> {
  return onStage(stage, async (inner) => {
    const startedMs = performance.now();
    const argv = [process.execPath, MAIN, 'serve', '--json'];
    const env = { PORT: '0', LOG_LEVEL: 'error', COUNTERSIGN_DATA_DIR: join(inner.directory, `empty-${startedMs}`) };
    await startProcess(inner, { name: 'empty', argv, env, isPinned: false });
    return performance.now() - startedMs;
  });
}

async function importMs(stage: Stage, packages: readonly string[]): Promise<number> {
  const script = `${packages.map((name) => `import ${JSON.stringify(name)};`).join('')}process.stdout.write('there')`;
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    cwd: PACKAGE,
    stdio: ['ignore', 'pipe', 'ignore'],
    signal: stage.signal,
  });
  const [, exit] = [await once(child.stdout, 'data'), once(child, 'exit')];
  const ms = performance.now() - startedMs;
  await exit;
  return ms;
}

/** The packages that built modules import, directly and through each other. */
function packagesOf(entries: readonly string[]): string[] {
  const files = [...entries];
  const packages = new Set<string>();
  for (const file of files) {
    const text = readFileSync(file, 'utf8');
    const imports = [...text.matchAll(IMPORT), ...(file === SERVE ? text.matchAll(LAZY_IMPORT) : [])];
    for (const [, name = ''] of imports) {
      const path = join(dirname(file), name);
      if (!name.startsWith('.')) packages.add(name);
      else if (!files.includes(path)) files.push(path);
    }
  }
  return [...packages].filter((name) => !name.startsWith('node:')).sort();
}
