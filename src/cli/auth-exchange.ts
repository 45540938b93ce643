import { exchangeIdToken } from '../runner/exchange.js';
import { clientFor } from './client.js';
import { readServiceUrl } from './connection.js';
import { reportFailure } from './failure.js';
import { type FederationFlags, readFederation } from './federation.js';
import { print, printJson } from './output.js';
import { readSecret } from './stdin.js';

export interface ExchangeFlags extends FederationFlags {
  readonly scope?: readonly string[];
  readonly json?: true;
}

const HINT = 'countersign auth exchange --platform generic < id-token.jwt';

/** `auth exchange`: gets a token for the one that the platform gives this job, and prints nothing else. */
export async function exchange(flags: ExchangeFlags): Promise<number> {
  const url = await readServiceUrl();
  const { source, audience, rule } = readFederation(process.env, flags, () => readSecret("the platform's token", HINT));
  const client = clientFor(url, undefined);
  const exchanged = await exchangeIdToken({ client, url, source, audience, rule, scopes: flags.scope ?? [] });
  if (exchanged.kind === 'exchanged') {
    if (flags.json) printJson({ url, platform: source.platform, ...exchanged.token });
    else print(exchanged.token.access_token);
    return 0;
  }
  const [reason] = exchanged.reasons;
  const exitCode = exchanged.kind === 'refused' ? 77 : 69;
  const { code, detail } = reason ?? { code: exchanged.kind, detail: 'no reason was given' };
  await reportFailure({ exitCode, kind: code, detail }, flags.json ?? false);
  return exitCode;
}
