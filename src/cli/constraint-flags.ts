import type { Constraints } from '../sdk/index.js';

/** What a constraint is called on the command line. */
export const CONSTRAINT_FLAGS = ['repository', 'ref', 'environment', 'runner', 'network'] as const;
export type ConstraintFlag = (typeof CONSTRAINT_FLAGS)[number];

/** The flags that say where tokens may be used. */
export type ConstraintFlags = { [Flag in ConstraintFlag]?: string[] };

/** Turns flags into constraints. Gives `undefined` when there is none. */
export function constraintsOf(flags: ConstraintFlags): Constraints | undefined {
  const named: [keyof Constraints, string[] | undefined][] = CONSTRAINT_FLAGS.map((flag) => [
    constraintKind(flag),
    flags[flag],
  ]);
  const given = named.filter(([, patterns]) => patterns !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

/** What the constraint behind a flag is called on the wire. */
export function constraintKind(flag: ConstraintFlag): keyof Constraints {
  switch (flag) {
    case 'repository':
      return 'repositories';
    case 'ref':
      return 'refs';
    case 'environment':
      return 'environments';
    case 'runner':
      return 'runners';
    case 'network':
      return 'networks';
  }
}

/** Says constraints in one line each. */
export function constraintLines(constraints: Constraints): (readonly [string, string])[] {
  return Object.entries(constraints).map(([kind, patterns]) => [kind, (patterns ?? []).join(', ') || 'none'] as const);
}
