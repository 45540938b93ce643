import type { Person } from './resources.js';

/** The messages about trusted runners as plain types; the schemas beside this file are checked against them. */

export type RunnerStatus = 'active' | 'suspended' | 'removed';

/** A host that proves itself with a key of its own (RFC 9449). */
export interface Runner {
  id: string;
  name: string;
  labels: string[];
  status: RunnerStatus;
  /** The SHA-256 thumbprint of its key (RFC 7638): compare it with what the host shows. */
  thumbprint: string;
  created_at: string;
  approved_by: Person;
  last_seen_at: string | null;
  token_id: string | null;
  token_expires_at: string | null;
}

export interface RunnerPatch {
  name?: string | undefined;
  labels?: string[] | undefined;
}

export interface EnrolmentRequest {
  name: string;
  labels?: string[] | undefined;
}

/** A host's wish to become a runner, as the host sees it. */
export interface Enrolment {
  id: string;
  /** What a person types elsewhere to approve it: shown on the host and nowhere else. */
  user_code: string;
  verification_uri: string;
  expires_at: string;
  interval_seconds: number;
  thumbprint: string;
}

/** The same, as the one sees it who has the user code. */
export interface EnrolmentSummary {
  id: string;
  name: string;
  labels: string[];
  ip: string | null;
  thumbprint: string;
  created_at: string;
  expires_at: string;
}

export interface ApprovalRequest {
  user_code: string;
  /** Instead of what the host asks for. */
  name?: string | undefined;
  labels?: string[] | undefined;
  /** One of 7, 30, 60, 90 (default 90). */
  expires_in_days?: number | undefined;
}

/** The host's token, shown this once, good only with proofs of the host's key. */
export interface RedeemedRunner {
  runner: Runner;
  token: string;
  token_id: string;
  expires_at: string;
}

/** Nobody has approved it yet: ask again after so many seconds. */
export interface PendingEnrolment {
  status: 'pending';
  interval_seconds: number;
}
