import type { Sighting } from '../rules/incident.js';
import { respondToLeak } from '../store/leaks.js';
import type { Deps } from './deps.js';
import { placeOf } from './endpoint.js';
import type { Exchange } from './exchange.js';
import { scrub } from './log.js';
import { findEach } from './presented.js';

/** What was found, and where its finder says it was. */
export interface Finding {
  readonly token: string;
  readonly type?: string | undefined;
  readonly url?: string | undefined;
}

/** Ends what is ours of it, each token once, and gives which printed ones were: of every state, with the right secret. What
 *  is not ours stops nothing. All of it is in effect when this returns. */
export async function endLeaked(
  deps: Deps,
  exchange: Exchange,
  findings: readonly Finding[],
): Promise<ReadonlySet<string>> {
  const byToken = new Map<string, Finding>();
  for (const finding of findings) if (!byToken.has(finding.token)) byToken.set(finding.token, finding);
  const printed = [...byToken.keys()];
  const found = await findEach(deps, printed);
  const ours = new Set<string>();
  const origin = { actorType: 'system', actorId: 'countersign', ...placeOf(exchange) } as const;
  for (const [at, text] of printed.entries()) {
    const token = found[at];
    const finding = byToken.get(text);
    if (token === undefined || finding === undefined) continue;
    ours.add(text);
    const sighting = sightingOf(finding, exchange.now);
    const revoked = await respondToLeak(deps.db, token.facts, sighting, origin, exchange.now);
    if (revoked.length > 0) deps.metrics.tokens('revoked', revoked.length);
  }
  return ours;
}

const MAX_TYPE = 64;
const MAX_URL = 1_024;

/** What a stranger says of the place, as it can be kept and shown: a link may have the token itself in it. */
function sightingOf({ type, url }: Finding, now: Date): Sighting {
  return {
    at: now.toISOString(),
    ...(type ? { type: plain(type, MAX_TYPE) } : {}),
    ...(url ? { url: plain(url, MAX_URL) } : {}),
  };
}

function plain(text: string, length: number): string {
  return scrub(text)
    .toWellFormed()
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
    .slice(0, length)
    .toWellFormed();
}
