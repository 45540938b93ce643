import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DIST, MAIN } from './harness/built.js';
import { openStage, type Stage } from './harness/stage.js';
import { hasWrk } from './harness/wrk.js';
import { MEASURES } from './measures/measures.js';
import { PARTS, type Plan } from './measures/plan.js';
import { sideBySide } from './measures/side-by-side.js';
import { chartSvg } from './report/chart.js';
import type { Chapter, SystemFigures } from './report/finding.js';
import { describeMachine } from './report/machine.js';
import { reportText } from './report/table.js';
import { type Ground, startGround } from './systems/service.js';

const USAGE = `npm run bench -- [--quick | --full] [--only ${PARTS.join(',')}] [--out DIR]
  --quick  fewer and shorter rounds: about three minutes
  --full   with ten million rows: much longer, and 12 GB of disk
  --only   these parts
  --out    where latest.json and latest.svg go (default bench/results)`;

const RESULTS = fileURLToPath(new URL('results', import.meta.url));
const OPTIONS = {
  quick: { type: 'boolean', default: false },
  full: { type: 'boolean', default: false },
  only: { type: 'string' },
  out: { type: 'string', default: RESULTS },
  help: { type: 'boolean', default: false },
} as const;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (typeof flags === 'number') return flags;
  const missing = whatIsMissing();
  if (missing !== undefined) {
    say(missing);
    return 1;
  }
  const machine = describeMachine();
  if (machine.loadAtStart > 1)
    say(`the machine is busy (load ${machine.loadAtStart.toFixed(1)}): take the figures as noise`);
  const stage = openStage();
  try {
    const outcome = await measure(stage, planOf(flags));
    process.stdout.write(`${reportText(outcome.chapters, outcome.systems)}\n`);
    mkdirSync(flags.out, { recursive: true });
    const result = { at: new Date().toISOString(), machine, plan: planOf(flags), ...outcome };
    writeFileSync(join(flags.out, 'latest.json'), `${JSON.stringify(result, undefined, 2)}\n`);
    if (outcome.systems.length > 1) writeFileSync(join(flags.out, 'latest.svg'), chartSvg(outcome.systems, machine));
    say(`written to ${flags.out}`);
    return 0;
  } catch (error) {
    if (stage.signal.aborted) say('interrupted');
    else say(error instanceof Error ? error.message : String(error));
    return stage.signal.aborted ? 130 : 1;
  } finally {
    await stage.close();
  }
}

interface Outcome {
  readonly chapters: readonly Chapter[];
  readonly systems: readonly SystemFigures[];
  readonly samples: unknown;
}

/** Runs what is wanted. What fails is told of and does not stop the rest. */
async function measure(stage: Stage, plan: Plan): Promise<Outcome> {
  plan.say('starting countersign with its PostgreSQL and ten thousand tokens');
  const ground = await startGround(stage);
  const chapters: Chapter[] = [];
  let systems: readonly SystemFigures[] = [];
  let samples: unknown;
  if (plan.wants('introspect') || plan.wants('exec') || plan.wants('peers')) {
    const side = await sideBySide(stage, ground, plan);
    chapters.push(side.chapter);
    systems = side.systems;
    samples = side.samples;
  }
  for (const { part, title, run } of MEASURES) {
    if (!plan.wants(part) || (part === 'sizes' && plan.sizes.length === 0)) continue;
    stage.signal.throwIfAborted();
    plan.say(title);
    chapters.push(await attempt(stage, ground, plan, title, run));
  }
  return { chapters, systems, samples };
}

async function attempt(
  stage: Stage,
  ground: Ground,
  plan: Plan,
  title: string,
  run: (typeof MEASURES)[number]['run'],
): Promise<Chapter> {
  try {
    return { title, findings: await run(stage, ground, plan), omissions: [] };
  } catch (error) {
    if (stage.signal.aborted) throw error;
    return { title, findings: [], omissions: [error instanceof Error ? error.message : String(error)] };
  }
}

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'] & { readonly out: string };

function readFlags(): Flags | number {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    const unknown = (values.only?.split(',') ?? []).find((name) => !PARTS.some((part) => part === name));
    if (unknown !== undefined) throw new Error(`--only does not know ${unknown}`);
    if (values.help !== true) return values;
    process.stdout.write(`${USAGE}\n`);
    return 0;
  } catch (error) {
    say(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return 2;
  }
}

function planOf(flags: Flags): Plan {
  const only = flags.only?.split(',');
  const common = { wants: (part: string) => only?.includes(part) ?? true, say };
  if (flags.quick) {
    const times = { rounds: 3, busySeconds: 2, singleSeconds: 1, repeats: 5 };
    return { ...common, ...times, sizes: [], bulk: 10_000, watches: 300, hourOfRequests: 100_000 };
  }
  const sizes = flags.full ? [1_000_000, 10_000_000] : [1_000_000];
  const times = { rounds: 7, busySeconds: 4, singleSeconds: 2, repeats: 20 };
  return { ...common, ...times, sizes, bulk: 100_000, watches: 2_000, hourOfRequests: 1_000_000 };
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'the benchmark reads /proc and pins processes to cores: it runs on Linux';
  if (!existsSync(MAIN)) return `there is no build at ${DIST}: npm run build`;
  if (!hasWrk()) return 'wrk is missing: apt-get install wrk';
  if (spawnSync('taskset', ['--version']).error !== undefined) return 'taskset is missing: apt-get install util-linux';
  return undefined;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
