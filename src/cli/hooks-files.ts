import { realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { AGENTS, type Agent, type HookScope, hooksFile, managedDirectory } from '../hook/agents.js';
import type { HookEventName } from '../hook/event-name.js';
import {
  type Changed,
  type HookCommands,
  type HooksInPlace,
  jsonHooksIn,
  withJsonHooks,
  withoutJsonHooks,
} from '../hook/json-hooks.js';
import { tomlHooksIn, withoutTomlHooks, withTomlHooks } from '../hook/toml-hooks.js';
import { hookCommand } from '../hook/wrapper.js';
import { UsageError } from './usage-error.js';

/** Which hooks a command is about, as the command line gives it. */
export interface HookFlags {
  readonly agent?: Agent | undefined;
  readonly scope?: 'user' | 'project' | undefined;
  readonly managed?: true | undefined;
  readonly path?: string | undefined;
}

/** A file with hooks of an agent. */
export interface HooksFile {
  readonly agent: Agent;
  readonly scope: HookScope;
  readonly path: string;
}

/** The files that the flags speak of. Throws {@link UsageError}. */
export function filesOf({ agent, scope, managed, path }: HookFlags): HooksFile[] {
  if (managed && scope !== undefined) throw new UsageError('--managed and --scope are both given: keep one');
  if (path !== undefined && agent === undefined) throw new UsageError('--path needs --agent: each has its own form');
  const wanted = managed ? 'managed' : (scope ?? 'user');
  const agents = agent === undefined ? AGENTS : [agent];
  return agents.map((one) => ({ agent: one, scope: wanted, path: path ?? fileFor(one, wanted) }));
}

/** The file of an agent and a scope, seen from here. */
export function fileFor(agent: Agent, scope: HookScope): string {
  const { env, platform } = process;
  return hooksFile(agent, scope, { env, home: env['HOME'] || homedir(), directory: process.cwd(), platform });
}

/** A file's text with the hooks. */
export function installedText(file: HooksFile, text: string | undefined, program = ownProgram()): Changed {
  const commands = commandsFor(program);
  if (isToml(file)) return withTomlHooks(text, commands, managedDirectory(file.path));
  return withJsonHooks(text, commands, file.scope === 'managed');
}

/** A file's text without the hooks. */
export function uninstalledText(file: HooksFile, text: string): Changed {
  return isToml(file) ? withoutTomlHooks(text) : withoutJsonHooks(text, file.scope === 'managed');
}

/** What a file says about hooks; `undefined` when it cannot be read as what it is. */
export function hooksIn(file: HooksFile, text: string, program = ownProgram()): HooksInPlace | undefined {
  const commands = commandsFor(program);
  return isToml(file) ? tomlHooksIn(text, commands, managedDirectory(file.path)) : jsonHooksIn(text, commands);
}

/** Whether the file is the managed one of Codex. */
export function isToml({ agent, scope }: HooksFile): boolean {
  return agent === 'codex' && scope === 'managed';
}

/** The program that agents are to run: this one, wherever a link to it stands. */
export function ownProgram(): string {
  const [, started = ''] = process.argv;
  return realpathSync(started);
}

function commandsFor(program: string): HookCommands {
  for (const path of [process.execPath, program]) {
    if (/[\u0000-\u001f]/.test(path)) throw new UsageError('the path of Node or of this program holds a line end');
  }
  const command = (event: HookEventName) => hookCommand(event, process.execPath, program);
  return {
    SessionStart: command('SessionStart'),
    UserPromptSubmit: command('UserPromptSubmit'),
    PreToolUse: command('PreToolUse'),
    PermissionRequest: command('PermissionRequest'),
    PostToolUse: command('PostToolUse'),
    Stop: command('Stop'),
  };
}
