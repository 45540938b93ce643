import { once } from 'node:events';
import { type Config, readConfig } from '../config.js';
import { type Host, openHost } from '../host.js';
import { createSigner } from '../http/jwt.js';
import { createMailTransport } from '../http/mail-transport.js';
import { createProvider, type Provider } from '../http/provider.js';
import { readKeys } from '../keys.js';
import type { MailSettings } from '../rules/mail.js';
import { bestContainment, describeContainment } from '../runner/containment.js';
import { connect, findPrimary, type Sql } from '../store/connect.js';
import { isClusterMade } from '../store/embedded.js';
import { readJournal } from '../store/journal-read.js';
import { pendingMigrations } from '../store/migrate.js';
import { hostError } from './host-error.js';
import { outputView, paint, print, printJson } from './output.js';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Makes a finding of what a check says or fails with. Gives whether it is well. */
type Look = (check: string, find: () => Promise<string>) => Promise<boolean>;

const MAX_CLOCK_SKEW_MS = 2_000;
const NOTIFICATION_TIMEOUT_MS = 3_000;
const OLDEST_POSTGRES = 140_000;
const NOT_MADE = 'not made yet: serve makes it';

/** Looks at everything that the service and the guard need, a line each, and changes none of it. Exit code 1 when something is wrong. */
export async function runDoctor(flags: { json?: true }): Promise<number> {
  const findings: Finding[] = [];
  const look: Look = async (check, find) => {
    const finding = await find().then(
      (detail) => ({ check, ok: true, detail }),
      (error: unknown) => ({ check, ok: false, detail: reasonOf(hostError(error)) }),
    );
    findings.push(finding);
    if (!flags.json) printFinding(finding);
    return finding.ok;
  };

  await examine(look);
  await look('containment', async () => describeContainment(bestContainment()));
  const isWell = findings.every((finding) => finding.ok);
  if (flags.json) printJson({ ok: isWell, checks: findings });
  return isWell ? 0 : 1;
}

async function examine(look: Look): Promise<void> {
  let config: Config | undefined;
  await look('configuration', async () => {
    config = readConfig(process.env);
    return config.databaseUrl === undefined ? `embedded database in ${config.dataDir}` : 'database of DATABASE_URL';
  });
  if (config === undefined) return;
  const known = config;
  const { oidc } = known;
  if (oidc !== undefined) await look('provider', () => checkProvider(createProvider(oidc)));
  const { mail } = known;
  if (mail !== undefined) await look('mail', () => checkMail(mail));
  const isMade = known.databaseUrl !== undefined || (await isClusterMade(known.dataDir));
  const hasKeys = await look('keys', () => checkKeys(known, isMade));
  if (hasKeys) await look('journal', () => checkJournal(known));
  if (!isMade) {
    await look('database', async () => NOT_MADE);
    return;
  }
  let host: Host | undefined;
  const isReached = await look('database', async () => {
    host = await openHost(known, 'visit');
    return reachDatabase(host);
  });
  try {
    if (isReached && host) await examineDatabase(host, look);
  } finally {
    await host?.close();
  }
}

async function examineDatabase(host: Host, look: Look): Promise<void> {
  const sql = connect(host.options, { max: 1 });
  const direct = connect(host.direct, { max: 1 });
  try {
    await look('migrations', () => checkMigrations(sql));
    await look('clock', () => checkClock(sql));
    await look('notifications', () => checkNotifications(sql, direct));
  } finally {
    await Promise.all([sql.end({ timeout: 1 }), direct.end({ timeout: 1 })]);
  }
}

async function checkKeys(config: Config, isDatabaseMade: boolean): Promise<string> {
  const keys = await readKeys(config);
  if (keys !== undefined) {
    const signer = await createSigner(keys.signingKeys);
    return `${keys.peppers.length} pepper(s), current ${keys.peppers[0].kid}; ${signer.publicKeys.length} signing key(s), current ${signer.alg}`;
  }
  if (!isDatabaseMade) return NOT_MADE;
  throw new Error(`${config.dataDir} has a database and not its keys: restore them, or serve makes new ones`);
}

async function checkJournal(config: Config): Promise<string> {
  const { revocationJournal } = config;
  if (revocationJournal === undefined) return 'none: COUNTERSIGN_REVOCATION_JOURNAL is not set';
  const keys = await readKeys(config);
  if (keys === undefined) return NOT_MADE;
  const { endings } = await readJournal(revocationJournal, keys.peppers, false);
  return `${endings.length} ending(s) in ${revocationJournal}`;
}

async function checkProvider({ settings, examine }: Provider): Promise<string> {
  const told = await examine(new Date());
  if (!told.ok) throw new Error(`${settings.issuer} does not answer as an OpenID provider: ${told.reason}`);
  return `${settings.issuer} answers, with ${told.value} key(s)`;
}

async function checkMail(settings: MailSettings): Promise<string> {
  const transport = createMailTransport({ settings });
  const answer = await transport.verify();
  transport.close();
  const server = `${settings.host}:${settings.port}`;
  if (!answer.ok) throw new Error(`${server} does not take mails: ${answer.reason}`);
  return `${server} takes mails from ${settings.from.address}`;
}

async function reachDatabase(host: Host): Promise<string> {
  await findPrimary(host.options);
  const sql = connect(host.options, { max: 1, takesStandby: true });
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
  await direct.listen('countersign_doctor', () => heard.dispatchEvent(new Event('heard')));
  const arrival = once(heard, 'heard', { signal: AbortSignal.timeout(NOTIFICATION_TIMEOUT_MS) });
  await Promise.all([sql.notify('countersign_doctor', 'hello'), arrival]).catch((error: unknown) => {
    if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
    throw new Error('none came: point DATABASE_DIRECT_URL past the pooler; running jobs stop late without it');
  });
  return 'heard';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function printFinding({ check, ok, detail }: Finding): void {
  const view = outputView();
  print(`${ok ? paint('ok  ', 'green', view) : paint('FAIL', 'red', view)}  ${check.padEnd(14)} ${detail}`);
}
