import { createClient, type ExecContext } from '../sdk/index.js';
import { commandText } from './command-text.js';
import { exchangeIdToken } from './exchange.js';
import { type GuardOptions, type GuardStreams, runGuard } from './guard.js';
import { claimIn, type IdTokenSource } from './id-token.js';
import { makeReport } from './report.js';
import { verdictOfNo } from './verdict.js';

export interface FederatedGuardOptions extends Omit<GuardOptions, 'token' | 'secrets'> {
  readonly source: IdTokenSource;
  /** For whom the platform's token is to be (default: the service). */
  readonly audience: string | undefined;
  /** The trust rule, as `workspace/rule`. */
  readonly rule: string | undefined;
  /** How long the service may take to answer the exchange, each time. It may have to fetch the platform's keys. */
  readonly exchangeTimeoutSeconds?: number | undefined;
}

const EXCHANGE_TIMEOUT_SECONDS = 20;

/** Runs a command as {@link runGuard} does, with a token that it gets for the platform's. Without one nothing starts: 77
 *  when the service says no, 69 when there is no token of the platform or nobody who could say. */
export async function runFederatedGuard(
  options: FederatedGuardOptions,
  streams: GuardStreams = process,
): Promise<number> {
  const { source, audience, rule, ...guard } = options;
  const { url, userAgent, scopes, command, context } = guard;
  const timeoutSeconds = options.exchangeTimeoutSeconds ?? EXCHANGE_TIMEOUT_SECONDS;
  const client = createClient({ url, userAgent, timeoutSeconds });
  const exchanged = await exchangeIdToken({ client, url, source, audience, rule, scopes });
  if (exchanged.kind !== 'exchanged') {
    return makeReport({ ...guard, secrets: source.secrets }, streams.stderr).close(verdictOfNo(exchanged));
  }
  const token = exchanged.token.access_token;
  const secrets = [...new Set([...source.secrets, ...exchanged.idTokens])];
  const told = {
    ...deployment(source, exchanged.idTokens),
    ...context,
    command: commandText(command, token, ...secrets),
  };
  return await runGuard({ ...guard, token, secrets, context: told }, streams);
}

/** GitHub Actions tells a job's environment in its token and in no variable. */
function deployment({ platform }: IdTokenSource, idTokens: readonly string[]): Pick<ExecContext, 'environment'> {
  const environment = platform === 'github_actions' ? claimIn(idTokens.at(-1) ?? '', 'environment') : undefined;
  return environment === undefined ? {} : { environment };
}
