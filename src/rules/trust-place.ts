import { type ConstraintKind, type Constraints, constraintFaults, isConstraintPattern } from './constraint.js';
import { claimText, type TokenClaims } from './trust-claims.js';
import type { TrustPreset } from './trust-rule.js';

type ProvenKind = Extract<ConstraintKind, 'repositories' | 'refs' | 'environments'>;
const KINDS: readonly ProvenKind[] = ['repositories', 'refs', 'environments'];

/** Which claim of a platform proves which kind of place. Buildkite names no repository, and its branch may be a name that
 *  the author of a fork chose; a pod of Kubernetes is in no repository. */
const PROOFS: Readonly<Record<TrustPreset, Readonly<Partial<Record<ProvenKind, string>>>>> = {
  github_actions: { repositories: 'repository', refs: 'ref', environments: 'environment' },
  gitlab_ci: { repositories: 'project_path', refs: 'ref_path', environments: 'environment' },
  buildkite: {},
  kubernetes: {},
};

/** Narrows constraints to the place that a platform's token proves. A value that no constraint can be written of (a name
 *  with spaces) narrows nothing. `undefined` when the place lies outside of the constraints. */
export function narrowToPlace(
  constraints: Constraints,
  preset: TrustPreset | undefined,
  claims: TokenClaims,
): Constraints | undefined {
  const proofs = preset === undefined ? {} : PROOFS[preset];
  const proven = new Map<ConstraintKind, string>();
  for (const kind of KINDS) {
    const claim = proofs[kind];
    const value = claim === undefined ? undefined : claimText(claims, claim);
    if (value !== undefined) proven.set(kind, value);
  }
  const context = {
    repository: proven.get('repositories'),
    ref: proven.get('refs'),
    environment: proven.get('environments'),
  };
  if (constraintFaults(constraints, context).some(({ kind }) => proven.has(kind))) return undefined;
  const narrowed = [...proven].filter(([kind, value]) => isExact(kind, value)).map(([kind, value]) => [kind, [value]]);
  return { ...constraints, ...Object.fromEntries(narrowed) };
}

function isExact(kind: ConstraintKind, value: string): boolean {
  return !value.includes('*') && isConstraintPattern(kind, value);
}
