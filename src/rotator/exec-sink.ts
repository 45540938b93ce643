import { feedCommand, parseCommand } from './fed-command.js';
import type { Environment, Sink } from './sink.js';

/** `exec:COMMAND`: a command that gets the secret on its standard input: see {@link feedCommand}. */
export function execSink(rest: string, name: string, env: Environment): Sink {
  const command = parseCommand(rest, 'exec:');
  return {
    name,
    describe: () => `the command ${command.program}`,
    write: (secret, signal) => feedCommand(command, env, secret, signal),
  };
}
