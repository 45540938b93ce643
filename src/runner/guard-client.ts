import { type Client, createClient, type Prover } from '../sdk/index.js';

/** What an enrolled host proves itself with: its token, read anew for each call, so that a rotation is heard of, and its
 *  key. */
export interface RunnerCredentials {
  readonly token: () => Promise<string>;
  readonly prover: Prover;
}

export interface GuardClientOptions {
  readonly url: string;
  /** The job's own token. */
  readonly token: string;
  /** The host as a trusted runner, where it is one: then it asks, and the job's token is only asked about. */
  readonly runner?: RunnerCredentials | undefined;
  readonly userAgent?: string | undefined;
}

/** The client by which a guard asks, watches and reports: as the runner of this host, or else with the job's own token. */
export function guardClient(options: GuardClientOptions, timeoutSeconds: number | undefined): Client {
  const { url, token, runner, userAgent } = options;
  return createClient({ url, token: runner?.token ?? token, prover: runner?.prover, userAgent, timeoutSeconds });
}
