import type { Constraints, Person } from './resources.js';

/** The platforms whose claims are known, and with them what a rule must pin. */
export type TrustPreset = 'github_actions' | 'gitlab_ci' | 'buildkite' | 'kubernetes';

/** A public key of an issuer (RFC 7517 section 4). */
export interface PublicJwk {
  kty: string;
  kid: string;
  crv?: string | undefined;
  x?: string | undefined;
  y?: string | undefined;
  n?: string | undefined;
  e?: string | undefined;
  alg?: string | undefined;
  use?: string | undefined;
  key_ops?: string[] | undefined;
}

export interface TrustRuleRequest {
  preset?: TrustPreset | undefined;
  /** Default: the preset's. */
  issuer?: string | undefined;
  /** Default: the service's own URL. */
  audience?: string | undefined;
  /** What a token must claim: one of the values, exactly. `ref`, `ref_path`, `build_branch` and `build_tag` may be patterns. */
  claims: Record<string, string | string[]>;
  /** What may have started the job: the platform's claim of it (`event_name`, `pipeline_source`, `build_source`). */
  events?: string[] | undefined;
  /** Needed where the claims let in jobs that people without write access can start. */
  allow_forks?: boolean | undefined;
  workflow: string;
  scopes: string[];
  constraints?: Constraints | undefined;
  /** 60 to 3600 (default). */
  expires_in_seconds?: number | undefined;
  /** The issuer's public keys, where nobody outside reaches it. */
  jwks?: { keys: PublicJwk[] } | undefined;
}

/** Which jobs of a CI platform get a token for a workflow by the platform's own (RFC 8693). */
export interface TrustRule {
  id: string;
  name: string;
  preset: TrustPreset | null;
  issuer: string;
  audience: string;
  claims: Record<string, string[]>;
  allow_forks: boolean;
  workflow: string;
  scopes: string[];
  constraints: Constraints;
  expires_in_seconds: number;
  jwks: { keys: PublicJwk[] } | null;
  /** Who set it last: accountable for the tokens that it gives. */
  created_by: Person;
  created_at: string;
  updated_at: string;
}

export interface TrustDryRunRequest {
  /** The claims of a platform's token: its payload, without the signature. */
  claims: Record<string, unknown>;
}

/** What a rule says of a platform's claims. */
export interface TrustDryRun {
  verdict: 'match' | 'no_match';
  /** Each claim that is asked for, `iss` and `aud` first. */
  checks: { claim: string; expected: string[]; found: string | null; matched: boolean }[];
  /** What else speaks against it. */
  reasons: string[];
  /** What a token would be given; `null` where nothing is. */
  grant: {
    workflow: string;
    scopes: string[];
    constraints: Constraints;
    expires_in_seconds: number;
  } | null;
}
