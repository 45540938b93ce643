import type { Command } from 'commander';

/** A word that can stand at a place, and what it means. */
export interface Word {
  readonly text: string;
  readonly meaning: string;
}

/** A place in the table of commands: `token mint` and what can follow it. `path` is empty for the root. */
export interface Place {
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly Word[];
  /** The values of its argument, when it is one of a few. */
  readonly values: readonly string[];
  /** The values of an option, when they are a few. */
  readonly optionValues: readonly { readonly option: string; readonly values: readonly string[] }[];
  /** Options that are followed by a value. */
  readonly valued: readonly string[];
}

/** Every place of a table of commands, aliases included. */
export function places(command: Command, path = ''): Place[] {
  const below = command.commands.flatMap((one) =>
    [one.name(), ...one.aliases()].map((name) => ({ one, name, place: path === '' ? name : `${path} ${name}` })),
  );
  const help = { text: '--help', meaning: 'show help' };
  const options = command.options.filter((option) => !option.hidden);
  return [
    {
      path,
      commands: below.map(({ one, name }) => ({ text: name, meaning: one.summary() })),
      options: [...options.map((option) => ({ text: option.long ?? option.flags, meaning: option.description })), help],
      values: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
      optionValues: options.flatMap((option) =>
        option.argChoices && option.long ? [{ option: option.long, values: option.argChoices }] : [],
      ),
      valued: options.flatMap((option) => (option.long && (option.required || option.optional) ? [option.long] : [])),
    },
    ...below.flatMap(({ one, place }) => places(one, place)),
  ];
}
