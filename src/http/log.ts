import { pino } from 'pino';
import { TOKEN_FORM } from '../rules/format.js';

export type Log = Pick<pino.Logger, 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Makes the log: JSON lines on `stream`. Everything of a token's form is struck out of the finished line, also inside the
 *  messages and stacks of errors, where no path of a member could reach it. */
export function createLog(level: LogLevel, stream: NodeJS.WritableStream): Log {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: (error: unknown) => pino.stdSerializers.err(withoutParameters(error)) },
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: scrub },
    },
    { write: (line: string) => stream.write(line) },
  );
}

/** Strikes out the secret of everything of a token's form; the public id stays, so that it can be revoked. */
export function scrub(text: string): string {
  return text.includes('cst_') ? text.replace(TOKEN_FORM, (token) => `${token.slice(0, 26)}_***`) : text;
}

// What drizzle wraps around a database error repeats the parameters of the statement, with whatever they hold.
function withoutParameters(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  return 'params' in error && error.cause instanceof Error ? withoutParameters(error.cause) : error;
}
