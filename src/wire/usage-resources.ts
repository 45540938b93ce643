import type { LastRun } from './resources.js';

/** Exec checks, by what was decided. */
export interface UsageCounts {
  allowed: number;
  denied: number;
}

/** Checks of one day in UTC: `2026-01-31`. */
export interface UsageDay extends UsageCounts {
  day: string;
}

/** Where a token was used, as its job said, or the address that asked. */
export interface UsedPlace extends UsageCounts {
  value: string;
  first_seen_at: string;
  last_seen_at: string;
}

/** A trusted runner that asked. */
export interface UsedRunner extends UsageCounts {
  id: string;
  name: string;
  first_seen_at: string;
  last_seen_at: string;
}

/** Places of one kind, the latest first. `has_more` when there were more than are listed. */
export interface UsedPlaces<Place = UsedPlace> {
  data: Place[];
  has_more: boolean;
}

/** What has used a token, or its lineage. */
export interface TokenUsage {
  token_id: string;
  lineage_id: string;
  /** The tokens that were counted together, newest first. */
  tokens: { data: string[]; has_more: boolean };
  /** The first instant of the window, and the one behind its last day. */
  since: string;
  until: string;
  /** Everything from then on was counted; `since`, unless there was too much. */
  complete_since: string;
  total: UsageCounts;
  /** Each day from that of `complete_since` on, those without a check too. */
  days: UsageDay[];
  repositories: UsedPlaces;
  refs: UsedPlaces;
  environments: UsedPlaces;
  jobs: UsedPlaces;
  runners: UsedPlaces<UsedRunner>;
  addresses: UsedPlaces;
  /** The last use of any kind, as the token that had it shows it. */
  last_used_token_id: string | null;
  last_used_at: string | null;
  last_used_ip: string | null;
  last_used_by: string | null;
  last_used_run: LastRun | null;
}
