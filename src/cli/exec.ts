import { ciContext } from '../runner/ci-context.js';
import { commandText } from '../runner/command-text.js';
import { CONTAINMENTS, type Containment, isContainment } from '../runner/containment.js';
import { runFederatedGuard } from '../runner/federated-guard.js';
import { runGuard } from '../runner/guard.js';
import type { RunnerCredentials } from '../runner/guard-client.js';
import { UNFINISHED, writeVerdict } from '../runner/verdict.js';
import { VERSION } from '../version.js';
import { type Federation, type FederationFlags, readFederation } from './federation.js';
import { UsageError } from './usage-error.js';

/** The flags of `exec` as the command line gives them. Seconds are numbers or their digits. */
export interface ExecFlags extends FederationFlags {
  readonly workflow: string;
  readonly scope?: readonly string[] | undefined;
  readonly repository?: string | undefined;
  readonly ref?: string | undefined;
  readonly environment?: string | undefined;
  readonly passTokenAs?: string | undefined;
  readonly killAfter?: string | number | undefined;
  readonly grace?: string | number | undefined;
  readonly mask?: boolean | undefined;
  readonly containment?: string | undefined;
  readonly statusFile?: string | undefined;
  readonly json?: boolean | undefined;
  /** Read before: whether, and from where, the host is a runner. */
  readonly runner?: boolean | undefined;
  readonly runnerFile?: string | undefined;
  /** Whether the job's token is exchanged for, not given. */
  readonly federated?: boolean | undefined;
  readonly keepPlatformToken?: boolean | undefined;
}

const DEFAULT_KILL_AFTER_SECONDS = 10;
const DEFAULT_GRACE_SECONDS = 60;
const MOST_SECONDS = 86_400;
/** Three signs of life of the service, which sends one every 10 s. */
const SILENCE_SECONDS = 30;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const GUARDS_OWN: readonly string[] = [
  'COUNTERSIGN_TOKEN_FILE',
  'COUNTERSIGN_CHECK_ID',
  'COUNTERSIGN_GUARD_SOCKET',
  'COUNTERSIGN_RUNNER_FILE',
];
// What a header can carry. Anything else would make fetch fail with the value in its message.
const HEADER_SAFE = /^[\x21-\x7e]+$/;

/** Runs a command under the guard and resolves to the exit code. Throws {@link UsageError} before anything is asked or
 *  started. `connection.token` is the job's own token, where it is not exchanged for, and `connection.runner` the host as a
 *  trusted runner. */
export async function runExec(
  flags: ExecFlags,
  command: readonly string[],
  connection: {
    readonly url: string;
    readonly token: string | undefined;
    readonly runner?: RunnerCredentials | undefined;
  },
): Promise<number> {
  const env = { ...process.env };
  const federation = usableFederation(env, flags);
  const token = federation === undefined ? usableToken(connection.token) : '';
  const { repository, ref, environment, statusFile } = flags;
  const said = Object.entries({ repository, ref, environment }).filter(([, value]) => value !== undefined);
  const options = {
    url: connection.url,
    runner: connection.runner,
    workflow: flags.workflow,
    scopes: flags.scope ?? [],
    context: {
      ...ciContext(process.env),
      ...Object.fromEntries(said),
      command: commandText(usableCommand(command), token),
    },
    command,
    env,
    passTokenAs: usableName(flags.passTokenAs),
    killAfterSeconds: seconds(flags.killAfter, '--kill-after') ?? DEFAULT_KILL_AFTER_SECONDS,
    graceSeconds: seconds(flags.grace, '--grace') ?? DEFAULT_GRACE_SECONDS,
    silenceSeconds: SILENCE_SECONDS,
    isMasked: flags.mask ?? true,
    containment: usableContainment(flags.containment),
    statusFile,
    isJson: flags.json ?? false,
    userAgent: `countersign-guard/${VERSION}`,
  };
  if (statusFile !== undefined) proveWritable(statusFile);
  // Node's diagnostic reports show the environment.
  for (const name of ['COUNTERSIGN_TOKEN', ...(federation?.variables ?? [])]) delete process.env[name];
  if (federation === undefined) return await runGuard({ ...options, token });
  const hiddenVariables = flags.keepPlatformToken ? [] : federation.variables;
  return await runFederatedGuard({ ...options, ...federation, hiddenVariables });
}

function usableFederation(env: NodeJS.ProcessEnv, flags: ExecFlags): Federation | undefined {
  if (flags.federated) return readFederation(env, flags);
  const { rule, platform, audience, idTokenVariable, keepPlatformToken } = flags;
  const stray = Object.entries({ rule, platform, audience, idTokenVariable, keepPlatformToken }).find(
    ([, value]) => value,
  );
  if (stray === undefined) return undefined;
  throw new UsageError(`--${stray[0].replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} goes with --federated`);
}

function usableToken(token: string | undefined): string {
  if (token === undefined || token === '') {
    throw new UsageError('there is no token for the job. Set COUNTERSIGN_TOKEN, or COUNTERSIGN_TOKEN_FILE to a path');
  }
  if (!HEADER_SAFE.test(token)) throw new UsageError('the token for the job holds characters that no token has');
  return token;
}

function usableCommand(command: readonly string[]): readonly string[] {
  const name = command[0];
  if (name === undefined || name === '') throw new UsageError('there is no command to run. Put it after --');
  // Some shells would read it as an option of their own `exec`.
  if (name.startsWith('-')) throw new UsageError(`the command cannot start with a dash: write ./${name}`);
  if (command.some((word) => word.includes('\0'))) throw new UsageError('the command holds a NUL character');
  return command;
}

function usableName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  if (!VARIABLE_NAME.test(name) || GUARDS_OWN.includes(name)) {
    throw new UsageError('--pass-token-as wants the name of a variable, such as GH_TOKEN');
  }
  return name;
}

function usableContainment(name: string | undefined): Containment | undefined {
  if (name === undefined || isContainment(name)) return name;
  throw new UsageError(`--containment wants one of ${CONTAINMENTS.join(', ')}`);
}

function seconds(value: string | number | undefined, flag: string): number | undefined {
  if (value === undefined) return undefined;
  const parsed = /^\d+(\.\d+)?$/.test(String(value)) ? Number(value) : Number.NaN;
  if (parsed <= MOST_SECONDS) return parsed;
  throw new UsageError(`${flag} wants seconds, from 0 to ${MOST_SECONDS}`);
}

// What a run before this one left there must not be taken for this one's verdict, should this one be killed.
function proveWritable(path: string): void {
  try {
    writeVerdict(path, UNFINISHED);
  } catch (error) {
    throw new UsageError(`--status-file cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}
