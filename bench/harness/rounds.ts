import { cpuTimeOf, pinPostgres, residentBytesOf } from './processes.js';
import type { ServerProcess } from './server-process.js';
import type { Stage } from './stage.js';
import { median } from './statistics.js';
import { runWrk } from './wrk.js';

/** One of the things that are measured side by side. */
export interface Subject {
  readonly name: string;
  readonly server: ServerProcess;
  /** The requests of its load. */
  readonly file: string;
  /** Throws unless the server answers its load as it should. */
  readonly verify: () => Promise<void>;
  /** The process whose PostgreSQL does its queries, when it has one. */
  readonly databaseUnder?: number;
}

/** One run of one subject. Times per request are in microseconds of CPU, latencies in milliseconds. */
export interface Sample {
  readonly requestsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly serverCpu: number;
  readonly databaseCpu: number;
  readonly residentBytes: number;
}

export type Metric = keyof Sample;

/** What all rounds gave: of each subject as many samples, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly isPinned: boolean;
  readonly say: (line: string) => void;
}

const WARM_UP_SECONDS = 2;

/** Measures the subjects in turn, round after round, each round beginning with another one: what drifts, drifts for all.
 *  A subject that fails is told of and left out. */
export async function interleave(
  stage: Stage,
  subjects: readonly Subject[],
  options: RoundOptions,
): Promise<{ readonly samples: Samples; readonly failures: ReadonlyMap<string, string> }> {
  const samples = new Map<string, Sample[]>(subjects.map(({ name }) => [name, []]));
  const failures = new Map<string, string>();

  async function attempt(subject: Subject, act: () => Promise<void>): Promise<void> {
    if (failures.has(subject.name)) return;
    stage.signal.throwIfAborted();
    try {
      await act();
    } catch (error) {
      if (stage.signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      failures.set(subject.name, why);
      options.say(`${subject.name} is left out: ${why}`);
    }
  }

  for (const subject of subjects) {
    await attempt(subject, async () => {
      await subject.verify();
      await runOnce(stage, subject, { ...options, seconds: WARM_UP_SECONDS });
    });
  }
  for (let round = 0; round < options.rounds; round += 1) {
    options.say(`c=${options.connections}: round ${round + 1} of ${options.rounds}`);
    const first = round % Math.max(1, subjects.length);
    for (const subject of [...subjects.slice(first), ...subjects.slice(0, first)]) {
      await attempt(subject, async () => {
        const sample = await runOnce(stage, subject, options);
        samples.get(subject.name)?.push(sample);
      });
    }
  }
  for (const subject of subjects) await attempt(subject, subject.verify);
  for (const name of failures.keys()) samples.delete(name);
  return { samples, failures };
}

/** The median over all rounds; NaN for a subject that was not measured. */
export function middle(samples: Samples, name: string, metric: Metric): number {
  return median((samples.get(name) ?? []).map((sample) => sample[metric]));
}

/** The median of the ratios within each round, `over` being below the line. */
export function ratio(samples: Samples, name: string, over: string, metric: Metric): number {
  const below = samples.get(over) ?? [];
  const ratios = (samples.get(name) ?? []).map(
    (sample, round) => sample[metric] / (below[round]?.[metric] ?? Number.NaN),
  );
  return median(ratios);
}

async function runOnce(stage: Stage, subject: Subject, options: RoundOptions): Promise<Sample> {
  const { server, databaseUnder = server.pid } = subject;
  if (options.isPinned) pinPostgres(databaseUnder);
  const before = { server: cpuTimeOf(server.pid).server, database: cpuTimeOf(databaseUnder).database };
  const result = await runWrk({ ...options, url: server.url, file: subject.file, signal: stage.signal });
  const after = { server: cpuTimeOf(server.pid).server, database: cpuTimeOf(databaseUnder).database };
  const faults = result.refused + result.broken;
  if (result.requests === 0 || faults > result.requests / 1000) {
    throw new Error(`${result.requests} answers, ${result.refused} of them refusals, ${result.broken} broken`);
  }
  return {
    requestsPerSecond: result.requests / result.seconds,
    p50: result.p50,
    p99: result.p99,
    serverCpu: ((after.server - before.server) * 1e6) / result.requests,
    databaseCpu: ((after.database - before.database) * 1e6) / result.requests,
    residentBytes: residentBytesOf(server.pid),
  };
}
