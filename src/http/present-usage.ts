import { printId } from '../rules/format.js';
import { daysBetween, MAX_USED_PLACES, type UsageWindow } from '../rules/token-usage.js';
import type { Counts, PlaceKind, Usage, UsedPlace } from '../store/token-usage.js';
import type { TokenView } from '../store/tokens.js';
import type * as wire from '../wire/usage-resources.js';
import { presentToken } from './present.js';

/** What is told of usage: of the token that was named, with those that were counted together. */
export interface ToldUsage {
  readonly named: TokenView;
  readonly views: readonly TokenView[];
  readonly tokens: wire.TokenUsage['tokens'];
  readonly window: UsageWindow;
  readonly usage: Usage;
}

/** What has used a token, as the wire shows it. */
export function presentUsage({ named, views, tokens, window, usage }: ToldUsage): wire.TokenUsage {
  const of = (kind: PlaceKind) => listed(usage.places.get(kind) ?? [], presentPlace);
  const days = daysBetween(usage.completeSince, window.to).map((day) => ({
    day,
    ...(usage.days.get(day) ?? { allowed: 0, denied: 0 }),
  }));
  const { last_used_at, last_used_ip, last_used_by, last_used_run, lineage_id } = presentToken(lastUsed(named, views));
  return {
    token_id: printId('tok', named.token.id),
    lineage_id,
    tokens,
    since: window.from.toISOString(),
    until: window.to.toISOString(),
    complete_since: usage.completeSince.toISOString(),
    total: sum(days),
    days,
    repositories: of('repository'),
    refs: of('ref'),
    environments: of('environment'),
    jobs: of('job'),
    runners: listed(usage.runners, ({ id, name, ...place }) => ({
      id: printId('rnr', id),
      name,
      ...presentSeen(place),
    })),
    addresses: of('address'),
    last_used_token_id: last_used_at === null ? null : printId('tok', lastUsed(named, views).token.id),
    last_used_at,
    last_used_ip,
    last_used_by,
    last_used_run,
  };
}

/** Which of the tokens was used last; the one that was named when none ever was. */
function lastUsed(named: TokenView, views: readonly TokenView[]): TokenView {
  const at = ({ token }: TokenView) => token.lastUsedAt?.getTime() ?? 0;
  return views.reduce((latest, view) => (at(view) > at(latest) ? view : latest), named);
}

function listed<Found, Place>(found: readonly Found[], present: (place: Found) => Place): wire.UsedPlaces<Place> {
  return { data: found.slice(0, MAX_USED_PLACES).map(present), has_more: found.length > MAX_USED_PLACES };
}

function presentPlace({ value, ...place }: UsedPlace): wire.UsedPlace {
  return { value, ...presentSeen(place) };
}

function presentSeen({ firstAt, lastAt, allowed, denied }: Omit<UsedPlace, 'value'>) {
  return { first_seen_at: firstAt.toISOString(), last_seen_at: lastAt.toISOString(), allowed, denied };
}

function sum(days: readonly Counts[]): Counts {
  return days.reduce((total, day) => ({ allowed: total.allowed + day.allowed, denied: total.denied + day.denied }), {
    allowed: 0,
    denied: 0,
  });
}
