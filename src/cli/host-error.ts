import { ConfigError } from '../config.js';
import { isUnavailable } from '../store/connect.js';
import { EmbeddedError } from '../store/embedded-error.js';
import { OutOfReachError } from './out-of-reach-error.js';
import { UsageError } from './usage-error.js';

/** Names what went wrong on the host in the words of the command line: a bad variable is usage, a database that cannot be
 *  had is out of reach. Anything else is given back. */
export function hostError(error: unknown): unknown {
  if (error instanceof ConfigError) return new UsageError(error.message, { cause: error });
  if (error instanceof EmbeddedError) return new OutOfReachError(error.message, { cause: error });
  if (!(error instanceof Error) || !isUnavailable(error)) return error;
  return new OutOfReachError(`the database is out of reach: ${error.message}`, { cause: error });
}
