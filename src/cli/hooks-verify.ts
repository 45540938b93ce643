import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { AGENT_NAMES, AGENTS, type Agent, HOOK_SCOPES, type HookScope } from '../hook/agents.js';
import { parseHookEvent } from '../hook/event.js';
import { HOOK_EVENTS, type HookEventName } from '../hook/event-name.js';
import { denial, type Ruling } from '../hook/ruling.js';
import { type HookQuestion, openHookSocket } from '../runner/hook-socket.js';
import { fileFor, hooksIn } from './hooks-files.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { readIfThere } from './replace-file.js';
import { UsageError } from './usage-error.js';

interface VerifyFlags {
  readonly agent?: Agent | undefined;
  readonly within: number;
  readonly json?: true | undefined;
}

/** What a file says, as far as it can be read. */
interface Placed {
  readonly scope: HookScope;
  readonly path: string;
  readonly state: 'absent' | 'none' | 'outdated' | 'current' | 'unreadable';
  readonly managed_only: boolean;
  readonly disabled: boolean;
}

/** What hooks told while the agent ran. */
interface Heard {
  readonly fired: ReadonlySet<HookEventName>;
  /** Whether a tool gave a result that had been denied. */
  readonly wasDenialIgnored: boolean;
}

const KILL_MS = 2_000;

/** Runs an agent's command with a canary that only a hook can bring back, denies every tool, and tells which events fired.
 *  Exit code 0 when a tool was about to run, its hook fired, and the denial held; 1 when that is not proven. */
export async function verifyHooks(flags: VerifyFlags, command: readonly string[]): Promise<number> {
  const agent = flags.agent ?? agentOf(command);
  const files = await Promise.all(HOOK_SCOPES.map((scope) => placed(agent, scope)));
  if (!flags.json) for (const file of files) sayPlaced(agent, file);
  const { heard, ended } = await runWithCanary(command, flags.within);
  const isProven = heard.fired.has('PreToolUse') && !heard.wasDenialIgnored;
  if (flags.json) {
    const fired = HOOK_EVENTS.filter((event) => heard.fired.has(event));
    printJson({ agent, proven: isProven, fired, denial_ignored: heard.wasDenialIgnored, files, command: ended });
  } else {
    for (const event of HOOK_EVENTS) print(`${event.padEnd(18)}${heard.fired.has(event) ? 'fired' : 'did not fire'}`);
    say(outcomeText(agent, heard, files));
  }
  return isProven ? 0 : 1;
}

function agentOf([name = '']: readonly string[]): Agent {
  const agent = AGENTS.find((one) => basename(name).startsWith(one));
  if (agent === undefined) throw new UsageError('say which agent the command is: --agent codex or --agent claude');
  return agent;
}

async function placed(agent: Agent, scope: HookScope): Promise<Placed> {
  const path = fileFor(agent, scope);
  const none = { scope, path, managed_only: false, disabled: false };
  try {
    const text = await readIfThere(path);
    if (text === undefined) return { ...none, state: 'absent' };
    const found = hooksIn({ agent, scope, path }, text);
    if (found === undefined) return { ...none, state: 'unreadable' };
    const state =
      found.events.length === HOOK_EVENTS.length ? 'current' : text.includes('countersign') ? 'outdated' : 'none';
    return { scope, path, state, managed_only: found.isManagedOnly, disabled: found.areDisabled };
  } catch {
    return { ...none, state: 'unreadable' };
  }
}

const STATES: Record<Placed['state'], string> = {
  absent: 'is not there',
  none: 'has no hooks of Countersign',
  outdated: 'has hooks of Countersign that are incomplete or of another version: run `countersign hooks install` again',
  current: 'has the hooks',
  unreadable: 'cannot be read',
};

function sayPlaced(agent: Agent, { scope, path, state, managed_only, disabled }: Placed): void {
  const only = managed_only ? ', and no others than managed ones run' : '';
  const off = disabled ? ', but turns all hooks off' : '';
  say(`${AGENT_NAMES[agent]}, ${scope}: ${printable(path)} ${STATES[state]}${only}${off}`);
}

function outcomeText(agent: Agent, { fired, wasDenialIgnored }: Heard, files: readonly Placed[]): string {
  const name = AGENT_NAMES[agent];
  if (wasDenialIgnored) return `The hooks fire, and ${name} ran a tool that they denied. Do not rely on them.`;
  if (fired.has('PreToolUse')) {
    const managed = files.some(({ scope, state }) => scope === 'managed' && state === 'current');
    return `The hooks fire, and a denied tool did not run.${managed ? '' : ' They are not managed: whoever can write the files above can turn them off.'}`;
  }
  if (fired.size > 0) {
    return 'No tool was about to run, so nothing is proven. Give the agent something to do that needs one: run: echo hello';
  }
  return `The hooks did NOT fire: what ${name} does is not seen. Are they set up, trusted, and turned on, and does ${name} hand its environment on to them?`;
}

/** How the command came to its end. */
interface CommandEnd {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly timed_out: boolean;
}

async function runWithCanary(
  command: readonly string[],
  withinSeconds: number,
): Promise<{ readonly heard: Heard; readonly ended: CommandEnd }> {
  const canary = randomUUID();
  const fired = new Set<HookEventName>();
  const denied = new Set<unknown>();
  let wasDenialIgnored = false;
  const hear = async ({ canary: brought, event: given }: HookQuestion): Promise<Ruling> => {
    const event = parseHookEvent(given);
    if (brought !== canary || event === undefined) return denial('this is no event of the run that is being verified');
    fired.add(event.name);
    const call = given['tool_use_id'];
    if (event.name === 'PreToolUse') denied.add(call);
    if (event.name === 'PostToolUse' && (call === undefined ? denied.size > 0 : denied.has(call)))
      wasDenialIgnored = true;
    const isTool = event.name === 'PreToolUse' || event.name === 'PermissionRequest';
    return isTool ? denial('the hooks are being verified, and every tool is denied') : { verdict: 'silent' };
  };
  const socket = await openHookSocket(hear);
  try {
    const { COUNTERSIGN_TOKEN: _token, COUNTERSIGN_TOKEN_FILE: _file, ...env } = process.env;
    const ended = await runCommand(command, withinSeconds, {
      ...env,
      COUNTERSIGN_GUARD_SOCKET: socket.path,
      COUNTERSIGN_HOOK_CANARY: canary,
    });
    return { heard: { fired, wasDenialIgnored }, ended };
  } finally {
    await socket.close();
  }
}

/** Runs the command with its output on standard error: what this command prints is alone on standard output. */
async function runCommand(
  [name = '', ...args]: readonly string[],
  withinSeconds: number,
  env: NodeJS.ProcessEnv,
): Promise<CommandEnd> {
  const child = spawn(name, args, { env, detached: true, stdio: ['ignore', 2, 2] });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    signalGroup(child, 'SIGTERM');
    setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_MS).unref();
  }, withinSeconds * 1000);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', (error) => reject(new UsageError(`the command cannot be started: ${error.message}`)));
      child.once('exit', (exit_code, signal) => resolve({ exit_code, signal, timed_out: isLate }));
    });
  } finally {
    clearTimeout(timer);
    signalGroup(child, 'SIGKILL');
  }
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}
