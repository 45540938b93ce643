/** A command as a user would type it. Paths are relative to the directory that the shell is in. */
export interface Command {
  readonly program: 'countersign' | 'git';
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The file on standard input, and the one that gets the standard output (mode 0600). */
  readonly stdin?: string;
  readonly stdout?: string;
}

/** Makes a command of `countersign`. A secret is never one of its arguments. */
export function countersign(args: readonly string[], rest: Omit<Command, 'program' | 'args'> = {}): Command {
  return { program: 'countersign', args, ...rest };
}

/** Makes a command of `git`. */
export function git(args: readonly string[], rest: Omit<Command, 'program' | 'args'> = {}): Command {
  return { program: 'git', args, ...rest };
}

/** The line that a user would type. */
export function commandText({ program, args, env = {}, stdin, stdout }: Command): string {
  return [
    ...Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`),
    program,
    ...args.map(quoted),
    ...(stdin === undefined ? [] : [`< ${stdin}`]),
    ...(stdout === undefined ? [] : [`> ${stdout}`]),
  ].join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
