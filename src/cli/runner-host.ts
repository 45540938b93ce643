import { ProblemError, type Runner } from '../sdk/index.js';
import { readServiceUrl } from './connection.js';
import { bothTimes } from './instant.js';
import { printJson, say } from './output.js';
import { printable } from './printable.js';
import { retryWhenLost } from './retry.js';
import {
  hostClient,
  type RunnerFile,
  readRunnerFile,
  removeRunnerFile,
  runnerCredentials,
  runnerPath,
  writeRunnerFile,
} from './runner-file.js';
import { printRunner } from './runners.js';
import { UsageError } from './usage-error.js';

type Flags = { json?: true };

/** `runner status`: what this host is to the service. Exit 1 when it is no runner, or the service does not take it. */
export async function showRunnerStatus(flags: Flags): Promise<number> {
  const { url, path, file } = await thisHost();
  const runner = await self(url, path);
  if (flags.json) {
    printJson({ url, file: path, is_joined: file?.runner !== undefined, is_trusted: runner !== undefined, runner });
  } else if (runner) {
    printRunner(runner, url);
  } else if (file?.runner) {
    say(
      `${url} does not take this host as ${printable(file.runner.name)}: it is suspended, removed, its token ended, or its approver is suspended.`,
    );
  } else {
    say(`This host is no runner of ${url}. It becomes one with: countersign runner join`);
  }
  return runner ? 0 : 1;
}

/** `runner rotate`: a new token for this host, kept before it is used. After a lost answer it just rotates again. */
export async function rotateRunner(flags: Flags & { expiresInDays?: number }): Promise<number> {
  const { url, path, file } = await thisHost();
  const credentials = await runnerCredentials(path, url);
  if (file?.runner === undefined || credentials === undefined) {
    throw new UsageError(`this host is no runner of ${url}. It becomes one with: countersign runner join`);
  }
  const client = hostClient(url, credentials);
  const request = { expires_in_days: flags.expiresInDays };
  const { token, expires_at, ...rest } = await retryWhenLost(() => client.tokens.rotate('self', request));
  await writeRunnerFile(path, { ...file, runner: { ...file.runner, token, expires_at } });
  if (flags.json) printJson({ ...rest, expires_at });
  else say(`The token of ${printable(file.runner.name)} is good until ${bothTimes(expires_at, new Date())}.`);
  return 0;
}

/** `runner leave`: removes this host from the runners, and its key and token from this host. */
export async function leaveRunner(flags: Flags): Promise<number> {
  const { url, path, file } = await thisHost();
  const credentials = await runnerCredentials(path, url);
  const wasTaken =
    credentials !== undefined && (await removeSelf(() => hostClient(url, credentials).runners.remove('self')));
  await removeRunnerFile(path);
  if (flags.json) printJson({ url, was_joined: file?.runner !== undefined, was_trusted: wasTaken });
  else if (file === undefined) say(`This host was no runner of ${url}.`);
  else
    say(
      wasTaken
        ? `This host is a runner of ${url} no longer.`
        : `The key of this host is removed; ${url} did not take it any more.`,
    );
  return 0;
}

interface Host {
  readonly url: string;
  readonly path: string;
  readonly file: RunnerFile | undefined;
}

async function thisHost(): Promise<Host> {
  const url = await readServiceUrl();
  const path = runnerPath(process.env, url);
  return { url, path, file: await readRunnerFile(path, url) };
}

async function self(url: string, path: string): Promise<Runner | undefined> {
  const credentials = await runnerCredentials(path, url);
  if (credentials === undefined) return undefined;
  try {
    return await hostClient(url, credentials).runners.show('self');
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return undefined;
    throw error;
  }
}

/** Gives false when the service did not take the host any more. */
async function removeSelf(remove: () => Promise<void>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return false;
    throw error;
  }
}
