import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** What the run ran on. The load is that at its start: above the number of its own processes, figures are noise. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly wrk: string;
  readonly loadAtStart: number;
}

/** Looks at the machine. */
export function describeMachine(): Machine {
  const wrk = spawnSync('wrk', ['--version'], { encoding: 'utf8' }).stdout ?? '';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    wrk: /wrk \S+/.exec(wrk)?.[0] ?? 'unknown',
    loadAtStart: loadavg()[0] ?? 0,
  };
}
