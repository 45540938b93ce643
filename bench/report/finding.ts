import type { Target } from './targets.js';

/** A figure that a measure found. */
export interface Finding {
  /** What it is, in a few words. */
  readonly what: string;
  readonly value: number;
  /** `×` for a ratio. */
  readonly unit: '×' | 'µs' | 'ms' | 's' | '/s' | 'KiB' | 'MB' | 'MB/s' | '';
  readonly target?: Target;
  readonly note?: string;
}

/** What one measure found, or why it found nothing. */
export interface Chapter {
  readonly title: string;
  readonly findings: readonly Finding[];
  /** What was left out, and why. */
  readonly omissions: readonly string[];
}

/** What the interleaved run gave for one system: medians, and medians of the ratios to the floor. */
export interface SystemFigures {
  readonly name: string;
  readonly requestsPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Microseconds of CPU per request. */
  readonly serverCpu: number;
  readonly databaseCpu: number;
  readonly oneAtATimeP50: number;
  readonly megabytes: number;
  readonly overFloor: { readonly rate: number; readonly cpu: number; readonly oneAtATime: number };
}
