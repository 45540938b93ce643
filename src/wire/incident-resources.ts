import type { IncidentKind } from '../rules/incident.js';
import type { Token, TokenStatus } from './resources.js';

export interface LeakReport {
  /** 1 to 1,000 printed tokens. */
  tokens: string[];
  /** Where they were found. */
  source?: { type?: string | undefined; url?: string | undefined } | undefined;
}

export interface LeakReceipt {
  /** How many were in the report, whatever they were. */
  received: number;
}

/** What GitHub learns of one item. */
export interface GithubFeedback {
  token_hash: string;
  token_type: string;
  label: 'true_positive' | 'false_positive';
}

/** A token that leaked, or whose dead secret was used. */
export interface Incident {
  id: string;
  kind: IncidentKind;
  status: 'open' | 'closed';
  token_id: string;
  workflow: string;
  lineage_id: string;
  opened_at: string;
  last_seen_at: string;
  times_seen: number;
  /** What the token was when the incident was opened. */
  token_was: TokenStatus;
  /** The tokens that the incident has revoked. */
  revoked: string[];
  closed_at: string | null;
  closed_by: string | null;
  closed_note: string | null;
}

/** Where the secret was seen: by what a finder says, or where a use came from. */
export interface IncidentSighting {
  at: string;
  type?: string | undefined;
  url?: string | undefined;
  ip?: string | undefined;
  /** The token that asked. */
  by?: string | undefined;
}

/** A job that was let start under the token, or refused. */
export interface IncidentUse {
  check_id: string;
  at: string;
  decision: 'allow' | 'deny';
  repository: string | null;
  ref: string | null;
  environment: string | null;
  job: string | null;
  command: string | null;
  ip: string | null;
  runner_id: string | null;
  /** The token that asked for it. */
  caller_token_id: string;
  run_status: 'running' | 'finished' | 'stopped' | 'lost' | null;
  finished_at: string | null;
}

/** Another token of the same lineage. */
export interface IncidentSibling {
  id: string;
  status: TokenStatus;
  expires_at: string;
  last_used_at: string | null;
}

/** All that is known of an incident: no secret. */
export interface IncidentReport extends Incident {
  token: Token;
  seen: IncidentSighting[];
  /** The last 50, newest first. */
  uses: IncidentUse[];
  /** The tokens that asked about it, as far as it is on record. */
  asked_by: string[];
  siblings: IncidentSibling[];
}

export interface CloseIncidentRequest {
  /** What came of it, for the record. */
  note?: string | undefined;
}

/** The types of findings that GitLab may hand over. */
export interface GitlabTokenTypes {
  types: string[];
}
