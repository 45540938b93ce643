import { once } from 'node:events';
import { type Config, readConfig } from '../config.js';
import { type Host, openHost } from '../host.js';
import { createSigner } from '../http/jwt.js';
import { loadKeys } from '../keys.js';
import { connect, type Sql } from '../store/connect.js';
import { pendingMigrations } from '../store/migrate.js';
import { outputView, paint, print, printJson } from './output.js';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

const MAX_CLOCK_SKEW_MS = 2_000;
const NOTIFICATION_TIMEOUT_MS = 3_000;
const OLDEST_POSTGRES = 140_000;

/** Looks at everything that the service needs, a line each. Exit code 1 when something is wrong. */
export async function runDoctor(flags: { json?: true }): Promise<number> {
  const findings: Finding[] = [];
  const look = async (check: string, find: () => Promise<string>): Promise<boolean> => {
    const finding = await find().then(
      (detail) => ({ check, ok: true, detail }),
      (error: unknown) => ({ check, ok: false, detail: error instanceof Error ? error.message : String(error) }),
    );
    findings.push(finding);
    if (!flags.json) printFinding(finding);
    return finding.ok;
  };

  await examine(look);
  const isWell = findings.every((finding) => finding.ok);
  if (flags.json) printJson({ ok: isWell, checks: findings });
  return isWell ? 0 : 1;
}

async function examine(look: (check: string, find: () => Promise<string>) => Promise<boolean>): Promise<void> {
  let config: Config | undefined;
  await look('configuration', async () => {
    config = readConfig(process.env);
    return config.databaseUrl === undefined ? `embedded database in ${config.dataDir}` : 'database of DATABASE_URL';
  });
  if (config === undefined) return;
  const known = config;
  await look('keys', async () => {
    const keys = await loadKeys(known);
    const signer = await createSigner(keys.signingKeys);
    return `${keys.peppers.length} pepper(s), current ${keys.peppers[0].kid}; ${signer.publicKeys.length} signing key(s), current ${signer.alg}`;
  });
  let host: Host | undefined;
  await look('database', async () => {
    host = await openHost(known, 'visit');
    return reachDatabase(host);
  });
  if (host === undefined) return;
  const sql = connect(host.options, { max: 1 });
  const direct = connect(host.direct, { max: 1 });
  try {
    await look('migrations', () => checkMigrations(sql));
    await look('clock', () => checkClock(sql));
    await look('notifications', () => checkNotifications(sql, direct));
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), direct.end({ timeout: 1 })]);
    await host.close();
  }
}

async function reachDatabase(host: Host): Promise<string> {
  const sql = connect(host.options, { max: 1 });
  try {
    const [row] = await sql`
      select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
        pg_is_in_recovery() as is_standby`;
    if (Number(row?.['number']) < OLDEST_POSTGRES)
      throw new Error(`PostgreSQL ${row?.['version']} is too old: 14 or later`);
    if (row?.['is_standby'] === true) throw new Error('this is a standby: DATABASE_URL must reach the primary');
    return `PostgreSQL ${row?.['version']}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function checkMigrations(sql: Sql): Promise<string> {
  const pending = await pendingMigrations(sql);
  if (pending.length > 0) throw new Error(`${pending.join(', ')} not applied: run countersign migrate`);
  return 'current';
}

async function checkClock(sql: Sql): Promise<string> {
  const before = Date.now();
  const [row] = await sql<{ at: Date }[]>`select clock_timestamp() as at`;
  const skewMs = (row?.at.getTime() ?? 0) - (before + Date.now()) / 2;
  const said = `${Math.abs(Math.round(skewMs))} ms ${skewMs < 0 ? 'ahead of' : 'behind'} the database`;
  if (Math.abs(skewMs) > MAX_CLOCK_SKEW_MS) throw new Error(`${said}: synchronise the clocks`);
  return said;
}

/** Behind a transaction-mode pooler LISTEN is silently dead: so one is sent and waited for. */
async function checkNotifications(sql: Sql, direct: Sql): Promise<string> {
  const heard = new EventTarget();
  const arrival = once(heard, 'heard', { signal: AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS) });
  await direct.listen('countersign_doctor', () => heard.dispatchEvent(new Event('heard')));
  await sql.notify('countersign_doctor', 'hello');
  await arrival.catch(() => {
    throw new Error('none came: point DATABASE_DIRECT_URL past the pooler; running jobs stop late without it');
  });
  return 'heard';
}

function printFinding({ check, ok, detail }: Finding): void {
  const view = outputView();
  print(`${ok ? paint('ok  ', 'green', view) : paint('FAIL', 'red', view)}  ${check.padEnd(14)} ${detail}`);
}
