import type { FieldError } from './refusal.js';
import { claimText, mayBeGlob, narrows, type TokenClaims } from './trust-claims.js';
import type { Claims, TrustPreset } from './trust-rule.js';

/** What is known of a platform. */
interface Platform {
  /** The issuer of the platform's own service; `undefined` where each installation has its own. */
  readonly issuer?: string;
  /** The claim that says what started the job. */
  readonly event?: string;
  /** What a rule must pin: of each line one way, and of a way all claims. */
  readonly pins: readonly (readonly (readonly string[])[])[];
  /** Events of people who cannot write to the repository. A rule that names one must allow forks. */
  readonly outsiderEvents: readonly string[];
  /** Events that a rule must name before they are let in. */
  readonly namedEvents: readonly string[];
}

const PLATFORMS: Readonly<Record<TrustPreset, Platform>> = {
  // Names of repositories and owners can be registered again by somebody else; ids cannot.
  github_actions: {
    issuer: 'https://token.actions.githubusercontent.com',
    event: 'event_name',
    pins: [
      [['repository_id'], ['repository_owner_id']],
      [['ref'], ['environment'], ['job_workflow_ref']],
      [['event_name']],
    ],
    // They run with the rights of the repository itself, on its default branch, and their token does not tell who asked.
    outsiderEvents: [
      'pull_request_target',
      'workflow_run',
      'issue_comment',
      'issues',
      'discussion',
      'discussion_comment',
    ],
    namedEvents: ['pull_request', 'pull_request_review', 'pull_request_review_comment'],
  },
  gitlab_ci: {
    issuer: 'https://gitlab.com',
    event: 'pipeline_source',
    pins: [
      [['project_id'], ['namespace_id']],
      [['ref_protected'], ['environment']],
    ],
    outsiderEvents: ['merge_request_event', 'external_pull_request_event'],
    namedEvents: [],
  },
  // One issuer for all its customers.
  buildkite: {
    issuer: 'https://agent.buildkite.com',
    event: 'build_source',
    pins: [
      [['organization_id'], ['organization_slug']],
      [['pipeline_id'], ['pipeline_slug']],
    ],
    outsiderEvents: [],
    namedEvents: [],
  },
  kubernetes: {
    pins: [
      [['sub'], ['kubernetes.io/serviceaccount/uid'], ['kubernetes.io/namespace', 'kubernetes.io/serviceaccount/name']],
    ],
    outsiderEvents: [],
    namedEvents: [],
  },
};

/** Issuers of everybody's tokens that have no preset: a rule must pin the whole subject. */
const OTHER_SHARED: readonly string[] = [
  'https://accounts.google.com',
  'https://app.terraform.io',
  'https://oidc.vercel.com',
  'https://api.pulumi.com/oidc',
];

// What the service judges by itself.
const JUDGED = ['iss', 'aud', 'exp', 'iat', 'nbf', 'jti'];

/** The issuer that a preset stands for, where it stands for one. */
export function presetIssuer(preset: TrustPreset): string | undefined {
  return PLATFORMS[preset].issuer;
}

/** The claim in which a platform says what started the job. */
export function eventClaim(preset: TrustPreset | undefined): string | undefined {
  return preset && PLATFORMS[preset].event;
}

/** The preset that an issuer has whatever a rule says, because it is shared; a path below GitHub's is an enterprise's. */
export function sharedPreset(issuer: string): TrustPreset | undefined {
  const plain = comparable(issuer);
  if (plain.startsWith(`${PLATFORMS.github_actions.issuer}/`)) return 'github_actions';
  const presets = ['github_actions', 'gitlab_ci', 'buildkite'] as const;
  return presets.find((preset) => PLATFORMS[preset].issuer === plain);
}

/** Whether everybody can get a token of an issuer. */
export function isSharedIssuer(issuer: string): boolean {
  return sharedPreset(issuer) !== undefined || OTHER_SHARED.includes(comparable(issuer));
}

/** For a look beyond spelling alone: a rule is not held to less because its issuer is spelt in another way. */
function comparable(issuer: string): string {
  return issuer.toLowerCase().replace(/\/+$/, '');
}

/** What speaks against a rule's claims: what it must pin and does not, and forks that it would let in unsaid. A rule that
 *  would trust all that an issuer signs is never sound. */
export function claimFaults(rule: {
  readonly preset: TrustPreset | undefined;
  readonly issuer: string;
  readonly claims: Claims;
  readonly allowsForks: boolean;
}): FieldError[] {
  const preset = sharedPreset(rule.issuer) ?? rule.preset;
  const judged = JUDGED.filter((claim) => Object.hasOwn(rule.claims, claim));
  if (judged.length > 0) {
    return judged.map((claim) => ({ pointer: `#/claims/${claim}`, detail: 'is judged by itself' }));
  }
  return [...pinFaults(rule, preset), ...forkFaults(rule, preset)];
}

function pinFaults(
  { issuer, claims }: { readonly issuer: string; readonly claims: Claims },
  preset: TrustPreset | undefined,
): FieldError[] {
  const missing = (detail: string) => [{ pointer: '#/claims', detail }];
  if (preset === undefined) {
    if (isPinned(claims, 'sub')) return [];
    if (isSharedIssuer(issuer)) return missing(`must pin sub: everybody can get a token of ${issuer}`);
    const pinned = Object.keys(claims).filter((claim) => isPinned(claims, claim));
    return pinned.length >= 2 ? [] : missing('must pin sub, or two claims');
  }
  return PLATFORMS[preset].pins.flatMap((ways) => {
    if (ways.some((way) => way.every((claim) => isPinned(claims, claim)))) return [];
    return missing(`must pin ${ways.map((way) => way.join(' with ')).join(', or ')}`);
  });
}

function isPinned(claims: Claims, claim: string): boolean {
  const values = Object.hasOwn(claims, claim) ? (claims[claim] ?? []) : [];
  if (values.length === 0) return false;
  if (claim === 'ref_protected') return values.every((value) => value === 'true');
  return !mayBeGlob(claim) || values.every(narrows);
}

function forkFaults(
  { claims, allowsForks }: { readonly claims: Claims; readonly allowsForks: boolean },
  preset: TrustPreset | undefined,
): FieldError[] {
  const lets = letsForksIn(preset, claims);
  if (lets === undefined) {
    return allowsForks ? [{ pointer: '#/allow_forks', detail: 'no claim of this rule lets a fork in' }] : [];
  }
  if (allowsForks) return [];
  const detail = `${lets} lets in what people without write access start: say allow_forks if that is meant`;
  return [{ pointer: '#/allow_forks', detail }];
}

/** What in a rule's claims lets jobs in that people can start who cannot write to the repository; `undefined` when nothing
 *  does. */
export function letsForksIn(preset: TrustPreset | undefined, claims: Claims): string | undefined {
  if (preset === undefined) return undefined;
  const { event, outsiderEvents } = PLATFORMS[preset];
  const named = event === undefined ? undefined : claims[event]?.find((value) => outsiderEvents.includes(value));
  if (named !== undefined) return named;
  return preset === 'buildkite' ? claims['build_branch']?.find((value) => value.includes(':')) : undefined;
}

/** Whether a token is of a job that its rule does not name, though it would have to: one for a pull request, a merge
 *  request or a fork. */
export function isUnnamedOutsider(issuer: string, preset: TrustPreset | undefined, claims: Claims, token: TokenClaims) {
  const known = sharedPreset(issuer) ?? preset;
  const presets = known === undefined ? (['github_actions', 'gitlab_ci', 'buildkite'] as const) : [known];
  return presets.some((one) => {
    const { event, outsiderEvents, namedEvents } = PLATFORMS[one];
    const found = event === undefined ? undefined : claimText(token, event);
    const isNamed = event !== undefined && Object.hasOwn(claims, event);
    if (!isNamed && found !== undefined && [...outsiderEvents, ...namedEvents].includes(found)) return true;
    // No branch has a colon in its name: Buildkite writes a fork's as `owner:branch`.
    const branch = one === 'buildkite' ? claimText(token, 'build_branch') : undefined;
    return branch?.includes(':') === true && claims['build_branch']?.some((value) => value.includes(':')) !== true;
  });
}
