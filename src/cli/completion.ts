import type { Command } from 'commander';
import { bashScript } from './completion-bash.js';
import { fishScript } from './completion-fish.js';
import { type Place, places } from './completion-table.js';
import { zshScript } from './completion-zsh.js';
import { print, printJson } from './output.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** `completion`: prints a script that completes what the table of commands holds today. */
export async function printCompletion(program: Command, shell: Shell, flags: { json?: true }): Promise<number> {
  const script = completionScript(shell, places(program));
  if (flags.json) printJson({ shell, script });
  else print(script);
  return 0;
}

/** Writes the completion script of a shell. */
export function completionScript(shell: Shell, table: readonly Place[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(table);
    case 'zsh':
      return zshScript(table);
    case 'fish':
      return fishScript(table);
  }
}
