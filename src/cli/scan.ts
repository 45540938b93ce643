import { join } from 'node:path';
import { createScanner, type OnToken } from '../rules/scan.js';
import { createSecretScanner } from '../rules/scan-secrets.js';
import { OWN_KIND } from '../rules/secret-scan.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { ALLOW_FILE, type Allowed, NOTHING_ALLOWED, readAllowed } from './scan-allow.js';
import { STANDARD_INPUT, scanNamed } from './scan-files.js';
import { scanHistory, scanStaged, workTreeOf } from './scan-git.js';
import { type Revoking, readRevocationUrl, revokeTokens, sayRevoked } from './scan-revoke.js';
import { sarifLog } from './scan-sarif.js';
import { createTally, type NewScanner, type Tally } from './scan-tally.js';
import { UsageError } from './usage-error.js';

export const SCAN_FORMATS = ['text', 'json', 'sarif'] as const;

export interface ScanFlags {
  allSecrets?: true;
  history?: true;
  staged?: true;
  format?: (typeof SCAN_FORMATS)[number];
  /** A path; false for none at all. */
  allowFile?: string | false;
  revoke?: true;
  yes?: true;
  installHook?: true;
  json?: true;
}

/** `scan`: finds tokens by form and checksum, other secrets by theirs, offline. Exit 1 when there are any, 2 when there are
 *  none but something could not be read. */
export async function scan(paths: readonly string[], flags: ScanFlags): Promise<number> {
  checkFlags(paths, flags);
  if (flags.installHook) return await (await import('./scan-hook.js')).installHook(flags);
  const format = flags.json ? 'json' : (flags.format ?? 'text');
  const url = flags.revoke ? await readRevocationUrl(flags.yes === true) : undefined;
  const allowed = await readAllowList(paths, flags);
  const tally = createTally({ allowed, isTold: format === 'text', isOnce: flags.history === true });
  const tokens = new Map<string, string>();
  const onToken: OnToken = (token, publicId) => url !== undefined && tokens.set(token, publicId);
  await read(paths, flags, () => (flags.allSecrets ? createSecretScanner(onToken) : createScanner(onToken)), tally);
  const revoking = url === undefined ? undefined : await revokeTokens(url, tokens, flags.yes === true);
  if (format === 'json') printJson(summary(tally, flags, revoking));
  if (format === 'sarif') printJson(sarifLog(tally.findings));
  sayOutcome(tally, flags, allowed);
  if (url !== undefined) sayRevocation(revoking);
  if (revoking?.failure !== undefined) throw revoking.failure;
  if (tally.findings.length > 0) return 1;
  return tally.unreadable.length > 0 ? 2 : 0;
}

function checkFlags(paths: readonly string[], flags: ScanFlags): void {
  if (flags.history && flags.staged) throw new UsageError('give either --history or --staged');
  if (flags.history && paths.length > 1) throw new UsageError('--history reads one repository');
  if (flags.staged && paths.length > 0) throw new UsageError('--staged reads the index and takes no path');
  if (flags.json && flags.format !== undefined && flags.format !== 'json') {
    throw new UsageError('--json and --format say different things');
  }
  if (flags.yes && !flags.revoke) throw new UsageError('--yes goes with --revoke');
  const isFiles = !flags.history && !flags.staged && !flags.installHook;
  if (isFiles && paths.length === 0 && process.stdin.isTTY) {
    throw new UsageError('name files or directories to scan, such as .');
  }
}

async function read(paths: readonly string[], flags: ScanFlags, newScanner: NewScanner, tally: Tally): Promise<void> {
  if (flags.history) return await scanHistory(paths[0], newScanner, tally);
  if (flags.staged) return await scanStaged(newScanner, tally);
  for (const path of paths.length === 0 ? [STANDARD_INPUT] : paths) await scanNamed(path, newScanner, tally);
}

/** The list that is named; else that at the root of the repository, or where the command runs. */
async function readAllowList(paths: readonly string[], { allowFile, history, staged }: ScanFlags): Promise<Allowed> {
  if (allowFile === false) return NOTHING_ALLOWED;
  if (allowFile !== undefined) return await readAllowed(allowFile, false);
  if (!history && !staged) return await readAllowed(ALLOW_FILE, true);
  const root = await workTreeOf(paths[0]);
  return root === undefined ? NOTHING_ALLOWED : await readAllowed(join(root, ALLOW_FILE), true);
}

function summary({ findings, files, unreadable, allowed }: Tally, flags: ScanFlags, revoking: Revoking | undefined) {
  return { findings, files, unreadable, allowed, ...(flags.revoke ? { revocations: revoking?.tokens ?? [] } : {}) };
}

function sayOutcome({ findings, unreadable, files, allowed }: Tally, flags: ScanFlags, list: Allowed): void {
  const things = flags.history ? ['object', 'objects'] : ['file', 'files'];
  const missed = unreadable.length > 0 ? `, ${unreadable.length} not readable` : '';
  const passed = allowed > 0 ? `, ${allowed} allowed by ${printable(list.file ?? '')}` : '';
  const read = `${counted(files, things)} read${missed}${passed}`;
  const secrets = flags.allSecrets ? ['secret', 'secrets'] : ['token', 'tokens'];
  if (findings.length === 0) {
    say(`No ${secrets[0]} found: ${read}.`);
    return;
  }
  const isOwn = findings.some(({ kind }) => kind === OWN_KIND);
  const advice =
    isOwn && !flags.revoke ? ` To revoke ${flags.allSecrets ? 'ours' : 'them'}: scan again with --revoke` : '';
  say(`${counted(findings.length, secrets)} found: ${read}.${advice}`);
}

function sayRevocation(revoking: Revoking | undefined): void {
  if (revoking === undefined) {
    say('Nothing was revoked.');
    return;
  }
  sayRevoked(revoking);
  const done = revoking.tokens.filter(({ revoked }) => revoked).length;
  if (done < revoking.tokens.length) {
    say(`${done} of ${revoking.tokens.length} are revoked. Run it again for the rest: that harms nothing.`);
  }
}

function counted(count: number, [one = '', many = '']: readonly string[]): string {
  return `${count} ${count === 1 ? one : many}`;
}
