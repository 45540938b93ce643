/** What can be measured, by the names that `--only` takes. */
export const PARTS = [
  'introspect',
  'exec',
  'peers',
  'sizes',
  'workers',
  'mint',
  'revoke',
  'start',
  'watch',
  'memory',
  'stale',
  'mask',
  'scan',
  'kill',
  'leak',
] as const;
export type Part = (typeof PARTS)[number];

/** How long and how often a run measures. */
export interface Plan {
  readonly rounds: number;
  readonly busySeconds: number;
  readonly singleSeconds: number;
  /** Rows of the tables that are compared. */
  readonly sizes: readonly number[];
  /** Tokens that one revocation takes with it. */
  readonly bulk: number;
  readonly watches: number;
  /** The load that tells of memory: what a node is asked in an hour. */
  readonly hourOfRequests: number;
  /** How often what is not load is repeated. */
  readonly repeats: number;
  wants(part: Part): boolean;
  /** Progress, for people. */
  say(line: string): void;
}
