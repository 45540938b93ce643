import { ConfigError } from '../config.js';
import { ListenError } from '../http/listen.js';
import { isUnavailable, sqlState } from '../store/connect.js';
import { EmbeddedError } from '../store/embedded-error.js';
import { JournalError } from '../store/journal.js';
import { HostRefusal } from './host-refusal.js';
import { OutOfReachError } from './out-of-reach-error.js';
import { UsageError } from './usage-error.js';

// Class 28 is a refused sign-in, 3D000 a database that does not exist, 42501 a missing right.
const REFUSED = /^(28...|3D000|42501)$/;

/** Names what went wrong on the host in the words of the command line: a bad variable is usage, a database that cannot be
 *  had is out of reach. Anything else is given back. */
export function hostError(error: unknown): unknown {
  if (error instanceof ConfigError) return new UsageError(error.message, { cause: error });
  if (error instanceof JournalError) return new HostRefusal('revocation_journal', error.message);
  if (error instanceof ListenError) return new OutOfReachError(error.message, { cause: error });
  if (error instanceof EmbeddedError) return new OutOfReachError(error.message, { cause: error });
  if (!(error instanceof Error)) return error;
  const reason = reasonOf(error);
  if (isUnavailable(error)) return new OutOfReachError(`the database is out of reach: ${reason}`, { cause: error });
  const state = sqlState(error);
  if (state === undefined) return error;
  if (!REFUSED.test(state)) return new Error(`the database says: ${reason}`, { cause: error });
  const why = 'see DATABASE_URL and what its role may do';
  return new OutOfReachError(`the database refuses the connection: ${reason} (${why})`, { cause: error });
}

// What drizzle wraps around an error repeats the statement with its parameters. An address that means several, such as
// localhost, fails with an error that only collects theirs.
function reasonOf(error: Error): string {
  if (error.cause instanceof Error) return reasonOf(error.cause);
  if (error.message !== '') return error.message;
  const [first] = error instanceof AggregateError ? error.errors : [];
  return first instanceof Error ? first.message : error.name;
}
