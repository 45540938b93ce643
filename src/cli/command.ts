import { Command, Help, InvalidArgumentError, type Option } from 'commander';

/** Help that says which options must be given, and puts those that every command has last. */
class PlainHelp extends Help {
  override visibleOptions(command: Command): Option[] {
    const isCommon = ({ long }: Option) => long === '--json' || long === '--help';
    const options = super.visibleOptions(command);
    return [...options.filter((option) => !isCommon(option)), ...options.filter(isCommon)];
  }

  override optionDescription(option: Option): string {
    const text = super.optionDescription(option);
    return option.mandatory ? `${text} (required)` : text;
  }
}

/** A command that answers a bare group (`countersign token`) with its help, as a success. */
class Group extends Command {
  override createCommand(name?: string): Group {
    return new Group(name);
  }

  override createHelp(): Help {
    return Object.assign(new PlainHelp(), this.configureHelp());
  }

  override help(): never {
    return super.help();
  }
}

/** Makes the root of a table of commands. Usage errors are thrown, not printed. */
export function createRoot(name: string): Command {
  return new Group(name)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({ outputError: () => {} });
}

/** Adds a group of commands, such as `token`. */
export function addGroup(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .summary(summary)
    .description(`${sentence(summary)}.`);
}

/** Adds a command: its name and arguments, what it does, and an example. Every command has `--json`. */
export function addCommand(parent: Command, usage: string, summary: string, example: string): Command {
  return parent
    .command(usage)
    .summary(summary)
    .description(`${sentence(summary)}.`)
    .option('--json', 'print JSON, for programs')
    .addHelpText('after', `\nExample:\n${example.replace(/^/gm, '  ')}`);
}

/** Makes an action of what gives an exit code. The implementation is imported when the command runs, not before. */
export function exitsWith<Args extends unknown[]>(run: (...args: Args) => Promise<number>) {
  return async (...args: Args): Promise<void> => {
    process.exitCode = await run(...args);
  };
}

/** Reads a whole number from `min` to `max` from the command line. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** As {@link wholeNumber}, for an option that may be given several values. */
export function wholeNumbers(min: number, max: number): (text: string, earlier: number[] | undefined) => number[] {
  const parse = wholeNumber(min, max);
  return (text, earlier) => [...(earlier ?? []), parse(text)];
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
