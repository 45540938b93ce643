/** The messages of the HTTP interface as plain types: what the SDK gives and takes. The schemas beside this file are
 *  checked against them, so that neither can drift. Times are RFC 3339 UTC strings; durations carry their unit. */

export type Role = 'owner' | 'admin' | 'member' | 'auditor';
export type MemberStatus = 'invited' | 'active' | 'suspended' | 'removed';
export type TokenStatus = 'active' | 'rotating' | 'superseded' | 'expired' | 'revoked' | 'suspended' | 'not_yet_valid';
export type RevokeReason = 'leaked' | 'rotated' | 'unused' | 'owner_left' | 'other';

export type FreezeReason = 'owner_left' | 'unused';

/** Where tokens may be used. An absent kind does not constrain. */
export interface Constraints {
  repositories?: string[] | undefined;
  refs?: string[] | undefined;
  environments?: string[] | undefined;
  runners?: string[] | undefined;
  networks?: string[] | undefined;
}

export interface Page<T> {
  data: T[];
  /** Pass it as `cursor` for the next page; `null` on the last. */
  next_cursor: string | null;
}

export interface Person {
  id: string;
  email: string;
  name: string | null;
}

/** The last run that began by a token. Where it ran is what its job said. */
export interface LastRun {
  run_id: string;
  check_id: string;
  started_at: string;
  repository: string | null;
  ref: string | null;
  job: string | null;
  /** The trusted runner that asked, if one did. */
  runner: { id: string; name: string } | null;
}

export interface Token {
  id: string;
  name: string | null;
  workspace_id: string;
  workflow: string;
  creator: Person;
  owner: Person;
  scopes: string[];
  constraints: Constraints;
  status: TokenStatus;
  created_at: string;
  not_before: string | null;
  expires_at: string;
  last_used_at: string | null;
  last_used_ip: string | null;
  /** The token that asked, when another one did (a runner's, a resource server's). */
  last_used_by: string | null;
  /** The last run that it was let in for. */
  last_used_run: LastRun | null;
  lineage_id: string;
  rotated_from: string | null;
  rotated_to: string | null;
  overlap_ends_at: string | null;
  revoked_at: string | null;
  revoked_by: string | null;
  revoked_reason: RevokeReason | null;
  /** The trusted runner that it is bound to. */
  runner_id: string | null;
  /** Since when it is held back, and why: its creator left, or nobody used it for as long as the policy says. */
  frozen_at: string | null;
  frozen_reason: FreezeReason | null;
  /** The member who may take it over, and until when. */
  takeover_by: string | null;
  takeover_until: string | null;
}

export type ReportKind = 'ownerless' | 'unused' | 'beyond_policy' | 'expiring';

/** A token of a report. */
export interface ReportedToken extends Token {
  /** Why it is in it: codes for programs, details for people. */
  why: { code: string; detail: string }[];
}

/** A token with its printed form, which is shown this once. */
export interface MintedToken extends Token {
  token: string;
}

/** Tokens in the order in which they were asked for. */
export interface MintedTokens {
  tokens: MintedToken[];
}

export interface MintRequest {
  workflow: string;
  scopes: string[];
  expires_in_days: number;
  name?: string | undefined;
  constraints?: Constraints | undefined;
  not_before?: string | undefined;
}

export interface MintManyRequest {
  tokens: MintRequest[];
}

export interface RotateRequest {
  expires_in_days?: number | undefined;
  overlap_seconds?: number | undefined;
  drain_seconds?: number | undefined;
}

export interface RevokeRequest {
  reason: RevokeReason;
  note?: string | undefined;
}

export interface TransferRequest {
  owner_id: string;
}

export interface RevocationRequest {
  reason: RevokeReason;
  dry_run?: boolean | undefined;
  workflow?: string | undefined;
  creator_id?: string | undefined;
  lineage_id?: string | undefined;
  issued_before?: string | undefined;
  workspace?: true | undefined;
}

export interface Revocation {
  revoked: number;
  /** The first 200 of them. */
  token_ids: string[];
}

/** One thing that happened to a token, or to what it hangs on. */
export interface ExplainedFact {
  at: string;
  /** What happened, as the audit trail names it, or what no event tells: `token.expires`, `token.not_before`,
   *  `token.overlap_ends`, `token.first_used`. */
  fact: string;
  detail: string;
  /** Who did it; `null` for what no event tells. */
  by: string | null;
  reason: string | null;
  /** The event of the audit trail that proves it. */
  event_id: string | null;
}

export interface Explanation {
  id: string;
  at: string;
  status: TokenStatus;
  summary: string;
  facts: ExplainedFact[];
}

export interface WorkflowRequest {
  description?: string | undefined;
  allowed_scopes?: string[] | undefined;
  allowed_expiry_days?: number[] | undefined;
  constraints?: Constraints | undefined;
  max_run_seconds?: number | undefined;
  /** How many runs there may be at a time (1 to 10 000); `null`, the default, for no limit. */
  max_concurrent_runs?: number | null | undefined;
  max_concurrent_runs_per_token?: number | null | undefined;
  /** What becomes of its tokens when their creator leaves; `null`, the default, for no rule. */
  leaver?: Leaver | null | undefined;
  /** What the use of a dead secret does to the lineage of its token (default `alarm`). */
  reuse_rule?: ReuseRule | undefined;
  /** E-mail addresses that hear of its tokens beside their owners: ten at most. */
  contacts?: string[] | undefined;
  /** Where its secrets live; nowhere that is known unless said. */
  rotations?: WorkflowRotation[] | undefined;
}

/** Where a secret of a workflow lives, and when `countersign rotator` makes another. */
export interface WorkflowRotation {
  /** Which of the workflow's tokens, by its name; without one the only one that it has. */
  name?: string | undefined;
  /** Sinks, as `countersign rotate --into` takes them, but for files and commands. */
  into: string[];
  if_expires_within_days?: number | undefined;
  every_days?: number | undefined;
  /** How long the successor lives; as long as the one before unless said. */
  expires_in_days?: number | undefined;
  overlap_seconds?: number | undefined;
  drain_seconds?: number | undefined;
}

/** What the use of a dead secret does: `alarm` opens an incident, `revoke` also ends the whole lineage of its token. */
export type ReuseRule = 'alarm' | 'revoke';

/** What becomes of the tokens of a workflow when their creator is suspended or leaves. */
export type Leaver =
  | { rule: 'freeze' }
  | { rule: 'revoke' }
  | {
      rule: 'transfer';
      /** Who may take them over. */
      successor_id: string;
      /** How long, in days (1 to 30). */
      window_days: number;
    };

export interface Workflow {
  id: string;
  label: string;
  description: string;
  allowed_scopes: string[];
  allowed_expiry_days: number[];
  constraints: Constraints;
  max_run_seconds: number;
  /** How many runs there may be at a time; `null` for no limit. */
  max_concurrent_runs: number | null;
  max_concurrent_runs_per_token: number | null;
  /** What becomes of its tokens when their creator leaves; `null` for no rule. */
  leaver: Leaver | null;
  reuse_rule: ReuseRule;
  /** Who hears of its tokens by e-mail beside their owners. */
  contacts: string[];
  /** Where its secrets live. */
  rotations: WorkflowRotation[];
  status: 'active' | 'paused';
  paused_at: string | null;
  created_at: string;
  updated_at: string;
}

/** What a tool rule says of a call that it matches. `ask` leaves it to a person; where nobody can be asked, it denies. */
export type ToolVerdict = 'allow' | 'deny' | 'ask';

/** One line of a workflow's tool rules. In its patterns `*` is any run of characters, `\*` a star, `\\` a backslash. */
export interface ToolRule {
  verdict: ToolVerdict;
  tool: string;
  argument?:
    | {
        /** A member of the tool's input; one further down with dots between. */
        name: string;
        pattern: string;
        /** What an `allow` takes the text for (default `shell`). */
        syntax?: 'shell' | 'text' | undefined;
      }
    | undefined;
  /** What the agent is told. */
  reason?: string | undefined;
}

/** The tool rules of a workflow: the first that matches decides, `default` where none does. */
export interface ToolRules {
  default: ToolVerdict;
  rules: ToolRule[];
}

export interface ToolDryRunRequest {
  tool: string;
  /** The tool's input as the agent reports it. */
  input: Record<string, unknown>;
  /** Draft rules to decide by instead of those that are stored. */
  rules?: ToolRules | undefined;
}

/** What tool rules say of a call. `rule` counts from 0; `null` when the default decided. */
export interface ToolDryRun {
  verdict: ToolVerdict;
  rule: number | null;
  matched: ToolRule | null;
  reason: string;
  trace: { index: number; matched: boolean; why: string }[];
}

export interface Member {
  id: string;
  email: string;
  name: string | null;
  role: Role;
  status: MemberStatus;
  created_at: string;
}

export interface InviteRequest {
  email: string;
  name?: string | undefined;
  role: Role;
}

export interface InvitedMember extends Member {
  /** Good for `POST /v1/members/accept` alone; shown this once, 72 hours, single use. */
  invitation: string;
}

export interface AcceptedMember extends Member {
  token: string;
}

export type MemberPatch = { role: Role } | { name: string };

/** A person who signed in on the pages. */
export interface Session {
  id: string;
  member_id: string;
  method: 'oidc' | 'passkey';
  /** `ended` also when it went unused for an hour, or came to its 12 hours. */
  status: 'active' | 'ended';
  created_at: string;
  last_used_at: string;
  expires_at: string;
  ended_at: string | null;
  ip: string | null;
  user_agent: string | null;
}

/** Who is calling, with what. */
export interface Me extends Member {
  workspace: { id: string; slug: string };
  /** The service scopes that the caller can use: its role's, cut by its token's. */
  permissions: string[];
  token: Token;
}

export interface AuditEvent {
  id: string;
  seq: number;
  at: string;
  actor: { type: 'member' | 'token' | 'host' | 'system'; id: string };
  action: string;
  target: string;
  ip: string | null;
  user_agent: string | null;
  request_id: string | null;
  data: Record<string, unknown>;
  prev_hash: string;
  hash: string;
}

export interface Checkpoint {
  /** A compact JWS over `{"workspace_id","seq","hash","at"}`. */
  checkpoint: string;
}

export interface ExecContext {
  repository?: string | undefined;
  ref?: string | undefined;
  environment?: string | undefined;
  job?: string | undefined;
  command?: string | undefined;
}

export interface ExecCheckRequest {
  /** The job's token; without it, the caller's own is checked. */
  token?: string | undefined;
  workflow: string;
  scopes?: string[] | undefined;
  context?: ExecContext | undefined;
  /** How long the run that an allow begins counts as running without a renewal (30 to 86 400, default 120). */
  lease_seconds?: number | undefined;
}

export interface ExecReason {
  code: string;
  detail: string;
}

export type Introspection =
  | { active: false }
  | {
      active: true;
      iss: string;
      sub: string;
      username: string;
      client_id: string;
      scope: string;
      token_type: 'Bearer' | 'DPoP';
      iat: number;
      nbf: number;
      exp: number;
      jti: string;
      workspace_id: string;
      workspace: string;
      workflow: string;
      authorization_details: ({ type: 'agent_exec' } & Constraints)[];
      superseded_by?: string | undefined;
      cnf?: { jkt: string } | undefined;
    };

export interface ExecDecision {
  check_id: string;
  decision: 'allow' | 'deny';
  reasons: ExecReason[];
  as_of: string;
  token: Introspection;
  /** When the right to run ends, whatever else happens; `null` on a denial. */
  valid_until: string | null;
  /** The run that begins; `null` on a denial. */
  run_id: string | null;
  /** When the run counts as lost unless it is renewed; `null` on a denial. */
  lease_ends_at: string | null;
}

/** A decision as it is on record. */
export interface ExecCheck {
  check_id: string;
  decision: 'allow' | 'deny';
  reasons: ExecReason[];
  as_of: string;
  valid_until: string | null;
  token_id: string | null;
  caller_token_id: string;
  workflow: string;
  scopes: string[];
  context: ExecContext;
  ip: string | null;
  finished_at: string | null;
  exit_code: number | null;
  signal: string | null;
}

export type RunStatus = 'running' | 'finished' | 'stopped' | 'lost';

/** What an allowed check let begin, from its start to its end. */
export interface Run {
  run_id: string;
  check_id: string;
  status: RunStatus;
  workflow: string;
  token_id: string | null;
  /** Who made the token. */
  creator: Person;
  /** The token that asked, such as a trusted runner's. */
  caller_token_id: string;
  scopes: string[];
  context: ExecContext;
  ip: string | null;
  /** The runner that proved itself; `null` where none did. */
  runner: { id: string; name: string } | null;
  started_at: string;
  lease_ends_at: string;
  valid_until: string;
  exit_code: number | null;
  signal: string | null;
  finished_at: string | null;
  stopped_at: string | null;
  stopped_by: string | null;
  stopped_reason: string | null;
}

/** What the guard of a run decided, as it reports it. */
export interface NewToolDecision {
  /** `dec_…`, a UUID v7 of the instant: sent again, it is recorded once. */
  id: string;
  at: string;
  /** The event of the agent's hook, such as `PreToolUse`. */
  event: string;
  tool?: string | null | undefined;
  decision: ToolVerdict;
  code: string;
  /** The tool rule that decided, counted from 0. */
  rule?: number | null | undefined;
  detail?: string | undefined;
}

export interface RecordedToolDecisions {
  /** How many of those that were sent are on record now. */
  recorded: number;
}

/** What the guard of a run decided, as it is on record. */
export interface ToolDecision {
  id: string;
  at: string;
  event: string;
  tool: string | null;
  decision: ToolVerdict;
  code: string;
  rule: number | null;
  detail: string;
}

export interface StopRequest {
  /** Why, for the record and for whoever watches: up to 200 characters. */
  reason?: string | undefined;
}

export interface FinishRequest {
  exit_code: number | null;
  signal?: string | undefined;
}

/** What the watch of an exec check tells. `alive` is the keep-alive comment, every 10 s. */
export interface WatchEvent {
  type: 'alive' | 'revoked' | 'paused' | 'suspended' | 'stopped';
  /** Why somebody stopped the run, where that was said. */
  reason?: string | undefined;
}

/** RFC 9457 problem details. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code?: string | undefined;
  /** What a passkey has to confirm first; with `step-up-required`. */
  act?: string | undefined;
  errors?: { pointer: string; detail: string }[] | undefined;
}
