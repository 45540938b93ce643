import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from '../../src/store/connect.js';
import { cutNotifications } from './cut-notifications.js';
import { openPair, pairUrl, TCP } from './failover.js';
import { startPooler } from './pgbouncer.js';
import {
  asAdmin,
  clusterAt,
  createDatabase,
  DATABASE,
  findInstallation,
  type Installation,
  initialise,
  type Postgres,
} from './postgres.js';
import type { ProcessNode } from './process-node.js';

/** A database with what stands in front of it, and the trouble that a run makes. */
export interface Setting {
  /** The variables of the nodes that say where the database is. */
  readonly env: Readonly<Record<string, string>>;
  /** The way of the driver itself. */
  readonly database: ConnectionOptions;
  disturb(nodes: readonly ProcessNode[], progress: () => number): Promise<void>;
  close(): Promise<void>;
}

export const SETTINGS = {
  plain: 'three nodes on one PostgreSQL',
  notifications: 'the connections that listen are ended all the time',
  crashes: 'nodes are killed and started again, one after the other',
  restarts: 'PostgreSQL is restarted, in turns fast and as in a crash',
  pooler: 'behind PgBouncer in transaction mode, whose server connections are cut',
  failover: 'the primary dies and its synchronous standby is promoted, to and fro; the nodes know both',
  lagging: 'as failover, where the URL does not ask for the primary, and the standby replays late',
} as const;

const RESTARTS = 6;
const FAILOVERS = 4;
const APPLY_DELAY_MS = 1_000;
const PAUSE_MS = 500;
const POLL_MS = 100;

/** Starts what a setting needs in a directory of its own. */
export async function openSetting(name: keyof typeof SETTINGS, home: string): Promise<Setting> {
  const installation = await findInstallation(home);
  const postgres = await clusterAt(home, 'first', installation);
  await initialise(postgres, installation);
  const isPair = name === 'failover' || name === 'lagging';
  await postgres.start(isPair ? TCP : {});
  await createDatabase(postgres);
  switch (name) {
    case 'plain':
      return single(postgres, async () => undefined);
    case 'notifications':
      return single(postgres, (_, progress) => cutNotifications(postgres.admin, progress));
    case 'crashes':
      return single(postgres, crashNodes);
    case 'restarts':
      return single(postgres, (_, progress) => restart(postgres, progress));
    case 'pooler':
      return pooled(home, postgres, installation);
    case 'failover':
      return paired(home, postgres, installation, '?target_session_attrs=read-write', 0);
    case 'lagging':
      return paired(home, postgres, installation, '', APPLY_DELAY_MS);
  }
}

function single(postgres: Postgres, disturb: Setting['disturb']): Setting {
  const url = `postgres://postgres@${encodeURIComponent(postgres.directory)}/${DATABASE}?port=${postgres.port}`;
  return {
    env: { DATABASE_URL: url },
    database: postgres.admin,
    disturb,
    close: () => postgres.stop('fast'),
  };
}

async function pooled(home: string, postgres: Postgres, installation: Installation): Promise<Setting> {
  const pooler = await startPooler(home, postgres, installation);
  const direct = single(postgres, (_, progress) => cutServers(postgres, progress));
  return {
    ...direct,
    env: {
      DATABASE_URL: pooler.url,
      DATABASE_DIRECT_URL: direct.env['DATABASE_URL'] ?? '',
      DATABASE_PREPARE: 'false',
    },
    close: async () => {
      await pooler.stop();
      await direct.close();
    },
  };
}

async function paired(
  home: string,
  first: Postgres,
  installation: Installation,
  parameters: string,
  delayMs: number,
): Promise<Setting> {
  const pair = await openPair(home, first, installation, delayMs);
  return {
    env: { DATABASE_URL: pairUrl(pair, parameters) },
    database: { url: pairUrl(pair, '?target_session_attrs=primary'), usesPrepared: true },
    disturb: (_, progress) => atParts(FAILOVERS, progress, pair.failOver),
    close: pair.stop,
  };
}

async function crashNodes(nodes: readonly ProcessNode[], progress: () => number): Promise<void> {
  while (progress() < 1) {
    for (const node of nodes) {
      if (progress() < 1) await node.crash();
      await delay(PAUSE_MS);
    }
  }
}

function restart(postgres: Postgres, progress: () => number): Promise<void> {
  return atParts(RESTARTS, progress, async (turn) => {
    await postgres.stop(turn % 2 === 0 ? 'fast' : 'immediate');
    await postgres.start({});
  });
}

async function cutServers(postgres: Postgres, progress: () => number): Promise<void> {
  await asAdmin(postgres.admin, async (sql) => {
    while (progress() < 1) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where pid <> pg_backend_pid() and datname = ${DATABASE} and random() < 0.2`;
      await delay(PAUSE_MS);
    }
  });
}

/** Acts so many times, spread over the run. */
async function atParts(times: number, progress: () => number, act: (turn: number) => Promise<void>): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) {
    while (progress() < (turn + 1) / (times + 1)) await delay(POLL_MS);
    if (progress() < 1) await act(turn);
  }
}
