import { HOOK_EVENTS, type HookEventName } from './event-name.js';
import { AGENT_TIMEOUT_SECONDS, HOOK_MARK } from './wrapper.js';

/** A command line for each event. */
export type HookCommands = Readonly<Record<HookEventName, string>>;

/** The text of a file after a change, or why the file cannot be changed. */
export type Changed = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string };

/** What a file says about hooks. */
export interface HooksInPlace {
  /** The events whose hook is the one that would be set up now. */
  readonly events: readonly HookEventName[];
  /** Whether the agent is told to run no hooks but managed ones. */
  readonly isManagedOnly: boolean;
  /** Whether the agent is told to run none. */
  readonly areDisabled: boolean;
}

const MANAGED_ONLY = 'allowManagedHooksOnly';

type Json = Record<string, unknown>;

/** Puts the hooks into a JSON file of an agent, beside what is there. Hooks of ours from before are replaced. */
export function withJsonHooks(text: string | undefined, commands: HookCommands, isManaged: boolean): Changed {
  const read = readHooks(text);
  if (!read.ok) return read;
  const { document } = read;
  const hooks: Json = { ...read.hooks };
  for (const event of HOOK_EVENTS) {
    const groups = groupsOf(hooks[event]);
    if (groups === undefined) return notLikeHooks(event);
    if (isInPlace(groups, commands[event])) continue;
    hooks[event] = [...withoutOurs(groups), { hooks: [handler(commands[event])] }];
  }
  const managed = isManaged ? { [MANAGED_ONLY]: true } : {};
  return { ok: true, text: written({ ...document, hooks, ...managed }, text) };
}

/** Takes the hooks out of a JSON file again, and what only they needed. */
export function withoutJsonHooks(text: string, isManaged: boolean): Changed {
  const read = readHooks(text);
  if (!read.ok) return read;
  const { [MANAGED_ONLY]: managedOnly, hooks: _hooks, ...rest } = read.document;
  const kept: Json = {};
  for (const [event, value] of Object.entries(read.hooks)) {
    const groups = groupsOf(value);
    const left = groups === undefined ? value : withoutOurs(groups);
    if (!Array.isArray(left) || left.length > 0 || groups?.length === 0) kept[event] = left;
  }
  const hooks = Object.keys(kept).length > 0 ? { hooks: kept } : {};
  const managed = isManaged || managedOnly === undefined ? {} : { [MANAGED_ONLY]: managedOnly };
  return { ok: true, text: written({ ...rest, ...hooks, ...managed }, text) };
}

/** Reads what a JSON file says about hooks; `undefined` when it cannot be read. */
export function jsonHooksIn(text: string, commands: HookCommands): HooksInPlace | undefined {
  const read = readHooks(text);
  if (!read.ok) return undefined;
  const { document, hooks } = read;
  return {
    events: HOOK_EVENTS.filter((event) => isInPlace(groupsOf(hooks[event]) ?? [], commands[event])),
    isManagedOnly: document[MANAGED_ONLY] === true,
    areDisabled: document['disableAllHooks'] === true,
  };
}

type Hooks =
  | { readonly ok: true; readonly document: Json; readonly hooks: Json }
  | { readonly ok: false; readonly detail: string };

function readHooks(text: string | undefined): Hooks {
  const document = text === undefined || text.trim() === '' ? {} : parsed(text);
  if (!isObject(document)) return { ok: false, detail: 'it is not a JSON object' };
  const hooks = document['hooks'] ?? {};
  return isObject(hooks) ? { ok: true, document, hooks } : notLikeHooks('hooks');
}

function notLikeHooks(member: string): { readonly ok: false; readonly detail: string } {
  return { ok: false, detail: `its member ${member} is not what an agent's hooks are` };
}

function groupsOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : undefined;
}

function handler(command: string) {
  return { type: 'command', command, timeout: AGENT_TIMEOUT_SECONDS };
}

function handlersOf(group: unknown): readonly unknown[] {
  const hooks = isObject(group) ? group['hooks'] : undefined;
  return Array.isArray(hooks) ? hooks : [];
}

function isOurs(one: unknown): boolean {
  const command = isObject(one) ? one['command'] : undefined;
  return typeof command === 'string' && command.includes(` ${HOOK_MARK} `);
}

/** Whether exactly the wanted hook is there, for every tool and in a form that no agent reads otherwise. */
function isInPlace(groups: readonly unknown[], command: string): boolean {
  const ours = groups.filter((group) => handlersOf(group).some(isOurs));
  const [only] = ours;
  return ours.length === 1 && JSON.stringify(only) === JSON.stringify({ hooks: [handler(command)] });
}

function withoutOurs(groups: readonly unknown[]): unknown[] {
  return groups.flatMap((group) => {
    const handlers = handlersOf(group);
    if (!isObject(group) || !handlers.some(isOurs)) return [group];
    const others = handlers.filter((one) => !isOurs(one));
    return others.length > 0 ? [{ ...group, hooks: others }] : [];
  });
}

/** In the indentation that the file has. */
function written(document: Json, before: string | undefined): string {
  const indent = /^\{\s*?\n([ \t]+)\S/.exec(before ?? '')?.[1] ?? '  ';
  return `${JSON.stringify(document, null, indent)}\n`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
