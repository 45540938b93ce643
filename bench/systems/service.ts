import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ConnectionOptions, Sql } from '../../src/store/connect.js';
import { built, MAIN } from '../harness/built.js';
import { postmasterOf } from '../harness/processes.js';
import { type SeedGroup, seed } from '../harness/seed.js';
import { type ServerProcess, startProcess } from '../harness/server-process.js';
import type { Stage } from '../harness/stage.js';

/** A Countersign over the embedded PostgreSQL, with tokens in it. What else is measured uses the same PostgreSQL. */
export interface Ground {
  readonly server: ServerProcess;
  readonly dataDir: string;
  /** The directory of PostgreSQL's socket. */
  readonly socketDirectory: string;
  readonly options: ConnectionOptions;
  readonly tokens: ReadonlyMap<string, readonly string[]>;
  /** Acts on its PostgreSQL, in a connection of its own. */
  admin<T>(act: (sql: Sql) => Promise<T>): Promise<T>;
}

/** The groups of tokens that the loads use: who asks, and what is asked about. */
export const GROUPS: readonly SeedGroup[] = [
  { workflow: 'callers', scopes: ['tokens:introspect'], count: 1 },
  { workflow: 'runners', scopes: ['exec:check'], count: 1 },
  { workflow: 'admins', scopes: ['workspace:admin'], count: 1 },
  { workflow: 'subjects', scopes: ['codex:exec', 'repo:read'], count: 4000 },
];

const DEFAULT_ROWS = 10_000;

/** Starts Countersign from its build, on the server's core, and loads ten thousand tokens. */
export async function startGround(stage: Stage): Promise<Ground> {
  const dataDir = join(stage.directory, 'data');
  const env = { ...QUIET, COUNTERSIGN_DATA_DIR: dataDir };
  const argv = [process.execPath, MAIN, 'serve', '--json'];
  const server = await startProcess(stage, { name: 'countersign', argv, env, isPinned: true });
  if (postmasterOf(server.pid) === undefined) throw new Error('the embedded PostgreSQL is not where it should be');
  const { openEmbedded } = await built<typeof import('../../src/store/embedded.js')>('store/embedded.js');
  const embedded = await openEmbedded({ dataDir, purpose: 'visit' });
  const options = { socketPath: embedded.socketPath, usesPrepared: true };
  try {
    const tokens = await seedGround(stage, dataDir, options, GROUPS, DEFAULT_ROWS);
    return {
      server,
      dataDir,
      socketDirectory: dirname(embedded.socketPath),
      options,
      tokens,
      admin: (act) => onDatabase(options, act),
    };
  } finally {
    await embedded.stop();
  }
}

/** Loads tokens into the first workspace of a database. Their number is that of the groups and the rows that make it up to
 *  `total`. */
export async function seedGround(
  stage: Stage,
  dataDir: string,
  options: ConnectionOptions,
  groups: readonly SeedGroup[],
  total: number,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { peppers } = await keysOf(dataDir);
  const real = groups.reduce((sum, group) => sum + group.count, 0);
  return seed({ options, peppers, groups, rows: Math.max(0, total - real), signal: stage.signal });
}

/** The keys that a data directory holds. */
export async function keysOf(dataDir: string) {
  const { readConfig } = await built<typeof import('../../src/config.js')>('config.js');
  const { loadKeys } = await built<typeof import('../../src/keys.js')>('keys.js');
  return loadKeys(readConfig({ COUNTERSIGN_DATA_DIR: dataDir }));
}

/** The environment of another node on the ground's PostgreSQL. */
export function nodeEnvironment(stage: Stage, ground: Ground, name: string, database = 'postgres') {
  const own = join(stage.directory, name);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  return {
    ...QUIET,
    DATABASE_URL: `postgres://postgres@${encodeURIComponent(ground.socketDirectory)}/${database}`,
    COUNTERSIGN_DATA_DIR: own,
    // All nodes on a database share one.
    COUNTERSIGN_REVOCATION_JOURNAL: join(database === 'postgres' ? ground.dataDir : own, 'revocations'),
    COUNTERSIGN_PEPPER_FILE: join(ground.dataDir, 'pepper'),
    COUNTERSIGN_SIGNING_KEYS_FILE: join(ground.dataDir, 'signing-keys.json'),
  };
}

/** Starts another node of Countersign on the ground's PostgreSQL. */
export function startNode(
  stage: Stage,
  ground: Ground,
  options: {
    readonly name: string;
    readonly isPinned: boolean;
    readonly database?: string;
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<ServerProcess> {
  const env = { ...nodeEnvironment(stage, ground, options.name, options.database), ...options.env };
  const argv = [process.execPath, MAIN, 'serve', '--json'];
  return startProcess(stage, { name: options.name, argv, env, isPinned: options.isPinned });
}

/** Acts on a database in a connection of its own. */
export async function onDatabase<T>(options: ConnectionOptions, act: (sql: Sql) => Promise<T>): Promise<T> {
  const { connect } = await built<typeof import('../../src/store/connect.js')>('store/connect.js');
  const sql = connect(options, { max: 1 });
  try {
    return await act(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** The first token of a group. */
export function tokenOf(tokens: Ground['tokens'], workflow: string): string {
  const [token] = tokens.get(workflow) ?? [];
  if (token === undefined) throw new Error(`no token of ${workflow} was made`);
  return token;
}

const QUIET = { PORT: '0', LOG_LEVEL: 'error' };
