import { asAdmin, clusterAt, copyOf, DATABASE, type Installation, type Postgres, until } from './postgres.js';

/** A primary and a synchronous standby that change places. */
export interface Pair {
  /** Names both, the one that began as the standby first. */
  readonly hosts: string;
  /** The one that follows now. */
  readonly standby: Postgres;
  /** Stops the primary for good, then promotes the standby, then makes a standby of the old primary. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** What both are started with. */
export const TCP = { listen_addresses: '127.0.0.1', wal_keep_size: '2GB', hot_standby: 'on' };

/** Gives a running primary a synchronous standby, which shows what it has that much later. The primary must have been
 *  started with {@link TCP}. */
export async function openPair(home: string, first: Postgres, installation: Installation, delayMs = 0): Promise<Pair> {
  let primary = first;
  let standby = await clusterAt(home, 'second', installation);
  const hosts = [standby, primary].map(({ port }) => `127.0.0.1:${port}`).join(',');

  async function follow(): Promise<void> {
    await copyOf(primary, standby, installation);
    const primaryConninfo = `host=127.0.0.1 port=${primary.port} user=postgres application_name=standby`;
    const delay = { recovery_min_apply_delay: `${delayMs}ms` };
    await standby.start({ ...TCP, ...delay, primary_conninfo: primaryConninfo });
    await asAdmin(primary.admin, async (sql) => {
      await sql`alter system set synchronous_standby_names = '*'`;
      await sql`select pg_reload_conf()`;
      await until('the standby followed', async () => {
        const rows = await sql`select 1 from pg_stat_replication where state = 'streaming' and sync_state = 'sync'`;
        return rows.length > 0;
      });
      // A commit that waited for the standby says that it has all that was committed before.
      await sql`select pg_logical_emit_message(true, 'consistency', 'follow')`;
    });
  }

  await follow();
  return {
    hosts,
    get standby() {
      return standby;
    },
    failOver: async () => {
      await primary.stop('immediate');
      await asAdmin(standby.admin, (sql) => sql`select pg_promote(false)`);
      await until('the standby was promoted', async () => {
        const [row] = await asAdmin(standby.admin, (sql) => sql`select pg_is_in_recovery() as is_standby`);
        return row?.['is_standby'] === false;
      });
      [primary, standby] = [standby, primary];
      await follow();
    },
    stop: async () => {
      await standby.stop('immediate');
      await primary.stop('immediate');
    },
  };
}

/** Names both in one URL. */
export function pairUrl({ hosts }: Pair, parameters: string): string {
  return `postgres://postgres@${hosts}/${DATABASE}${parameters}`;
}
