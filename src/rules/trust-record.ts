import { claimText, type TokenClaims } from './trust-claims.js';
import type { Claims } from './trust-rule.js';

/** What tells a job's run from others, on the platforms that are known. */
const RUN_CLAIMS = [
  'repository',
  'repository_id',
  'ref',
  'sha',
  'environment',
  'event_name',
  'workflow_ref',
  'job_workflow_ref',
  'run_id',
  'run_attempt',
  'actor',
  'actor_id',
  'project_path',
  'project_id',
  'ref_path',
  'pipeline_id',
  'pipeline_source',
  'job_id',
  'user_login',
  'organization_slug',
  'pipeline_slug',
  'build_number',
  'build_branch',
  'build_commit',
  'build_source',
  'step_key',
  'kubernetes.io/namespace',
  'kubernetes.io/serviceaccount/name',
  'kubernetes.io/serviceaccount/uid',
  'kubernetes.io/pod/name',
  'kubernetes.io/pod/uid',
];
const MAX_LENGTH = 256;

/** What of a token's claims is put on record: those that its rule pins, and those that name the run. Each is cut to 256
 *  characters and made of what a database can hold and a terminal can show. */
export function recordedClaims(pinned: Claims, claims: TokenClaims): Record<string, string> {
  const names = [...new Set([...Object.keys(pinned), ...RUN_CLAIMS])];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = recordedText(claims, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** One claim as it is put on record. */
export function recordedText(claims: TokenClaims, name: string): string | undefined {
  return claimText(claims, name)
    ?.slice(0, MAX_LENGTH)
    .toWellFormed()
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

// By platform: what is worked on, and which run of it.
const NAMES: readonly (readonly [string, string])[] = [
  ['repository', 'run_id'],
  ['project_path', 'job_id'],
  ['pipeline_slug', 'build_number'],
  ['kubernetes.io/serviceaccount/name', 'kubernetes.io/pod/name'],
];

/** A name for the token that a job gets, of what it works on and its run: `acme/shop 1658821493`. */
export function jobName(rule: string, claims: TokenClaims): string {
  const known = NAMES.find(([place]) => recordedText(claims, place) !== undefined) ?? ['sub', 'job_id'];
  const parts = known.map((name) => recordedText(claims, name)?.slice(0, 60));
  return parts.filter((part) => part !== undefined).join(' ') || rule;
}
