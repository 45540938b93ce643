import { HOOK_EVENTS } from './event-name.js';
import type { Changed, HookCommands, HooksInPlace } from './json-hooks.js';
import { AGENT_TIMEOUT_SECONDS } from './wrapper.js';

const BEGIN = '# countersign hooks: begin. `countersign hooks uninstall --managed` takes this away.';
const END = '# countersign hooks: end';
const BLOCKS = /^# countersign hooks: begin[^\n]*\n(?:[^\n]*\n)*?# countersign hooks: end\n/gm;
// Anything that may say something of ours already, in any spelling that TOML has for it. What it finds in a text or a
// comment by mistake costs no more than work by hand.
const TAKEN = /^[ \t]*\[{0,2}[ \t]*["']?(?:hooks|features|allow_managed_hooks_only)["']?[ \t]*[.=\]]/m;

/** Puts the hooks into the managed requirements of Codex, in blocks of their own: what must stand before every table at the
 *  top, the rest at the end. No TOML is read: where the file says something about hooks or features already, it is left as
 *  it is, with word of what to add by hand. */
export function withTomlHooks(text: string | undefined, commands: HookCommands, managedDirectory: string): Changed {
  // A byte order mark may stand nowhere but at the start, where the first block comes.
  const others = (text ?? '').replace(/^\ufeff/, '').replace(BLOCKS, '');
  const { top, tables } = blocksFor(commands, managedDirectory);
  if (TAKEN.test(others)) {
    const detail = `it has hooks or features already, and is not changed by a program. Bring this into it by hand:\n\n${top}\n${tables}`;
    return { ok: false, detail };
  }
  const body = others === '' || others.endsWith('\n') ? others : `${others}\n`;
  return { ok: true, text: `${top}${body}${tables}` };
}

/** Takes the hooks out of the managed requirements again. */
export function withoutTomlHooks(text: string): Changed {
  return { ok: true, text: text.replace(BLOCKS, '') };
}

/** Reads whether the blocks are there as they would be written now. */
export function tomlHooksIn(text: string, commands: HookCommands, managedDirectory: string): HooksInPlace {
  const { top, tables } = blocksFor(commands, managedDirectory);
  // A key behind a table's head would be that table's.
  const isOnTop = /^[ \t]*\[/m.test(text) && text.indexOf(top) >= 0 && text.indexOf(top) < text.search(/^[ \t]*\[/m);
  const areThere = isOnTop && text.includes(tables);
  return { events: areThere ? HOOK_EVENTS : [], isManagedOnly: areThere, areDisabled: false };
}

function blocksFor(
  commands: HookCommands,
  managedDirectory: string,
): { readonly top: string; readonly tables: string } {
  const events = HOOK_EVENTS.flatMap((event) => [
    '',
    `[[hooks.${event}]]`,
    `[[hooks.${event}.hooks]]`,
    'type = "command"',
    `command = ${tomlText(commands[event])}`,
    `timeout = ${AGENT_TIMEOUT_SECONDS}`,
  ]);
  const tables = [
    '[features]',
    'hooks = true',
    '',
    '[hooks]',
    `managed_dir = ${tomlText(managedDirectory)}`,
    ...events,
  ];
  return { top: block(['allow_managed_hooks_only = true']), tables: block(tables) };
}

function block(lines: readonly string[]): string {
  return `${[BEGIN, ...lines, END].join('\n')}\n`;
}

/** A basic string. JSON escapes no less than TOML asks for but DEL, and in no other way. */
function tomlText(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007F');
}
