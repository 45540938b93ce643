import type { Command } from 'commander';

/** Where to read on after a usage error. `elsewhere` names the commands of other groups that are called what was typed
 *  (`mint` for `token mint`): better guesses than one that is spelled alike. */
export function usageHint(program: Command, argv: readonly string[]): { hint: string; elsewhere: string | undefined } {
  const { command, rest } = followed(program, argv);
  const isGroup = command.commands.length > 0;
  const same = isGroup ? leaves(program).filter((leaf) => leaf.name() === rest) : [];
  const names = same.map((leaf) => `\`${commandPath(leaf)}\``);
  return {
    hint: `See \`${commandPath(command)} --help\`.`,
    elsewhere: names.length > 0 ? `(Did you mean ${names.join(' or ')}?)` : undefined,
  };
}

/** A command's name with its parents' before it, as it is typed. */
export function commandPath(command: Command): string {
  return command.parent ? `${commandPath(command.parent)} ${command.name()}` : command.name();
}

function followed(program: Command, argv: readonly string[]): { command: Command; rest: string | undefined } {
  let command = program;
  for (const word of argv) {
    if (word.startsWith('-')) break;
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (next === undefined) return { command, rest: word };
    command = next;
  }
  return { command, rest: undefined };
}

function leaves(command: Command): Command[] {
  return command.commands.flatMap((one) => (one.commands.length > 0 ? leaves(one) : [one]));
}
