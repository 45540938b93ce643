import { isSamePlace } from './rotation-place.js';

/** How many places of secrets a workflow names, and into how many one secret goes. */
export const MAX_ROTATIONS = 20;
export const MAX_PLACES = 5;

/** Where a secret of a workflow lives, and when the rotator makes another. It names places and never credentials. */
export interface WorkflowRotation {
  /** Which of the workflow's tokens, by its name; without one the only one that it has. */
  readonly name?: string | undefined;
  /** Sinks, as `countersign rotate --into` takes them, but for files and commands. */
  readonly into: readonly string[];
  readonly ifExpiresWithinDays?: number | undefined;
  readonly everyDays?: number | undefined;
  /** How long the successor lives, in days; unless said as long as the one before. */
  readonly expiresInDays?: number | undefined;
  readonly overlapSeconds?: number | undefined;
  readonly drainSeconds?: number | undefined;
}

/** What speaks against a list of rotations, with where in it: a place that is in it twice, a token that is, and a rotation
 *  without a name beside others, since it means the one token that the workflow has. */
export function rotationFaults(
  rotations: readonly Pick<WorkflowRotation, 'name' | 'into'>[],
): { readonly path: readonly (string | number)[]; readonly detail: string }[] {
  const names = new Set<string | undefined>();
  const places: string[] = [];
  return rotations.flatMap(({ name, into }, at) => {
    const isAgain = names.has(name);
    const isLost = name === undefined && rotations.length > 1;
    names.add(name);
    const twice = into.flatMap((text, place) => {
      const isTaken = places.some((other) => isSamePlace(other, text));
      places.push(text);
      return isTaken ? [{ path: [at, 'into', place], detail: 'is in the list twice' }] : [];
    });
    if (isLost) return [{ path: [at], detail: 'must have a name beside others' }, ...twice];
    return isAgain ? [{ path: [at, 'name'], detail: 'is in the list twice' }, ...twice] : twice;
  });
}

type Directed = Pick<WorkflowRotation, 'name' | 'into'>;

/** Where a list has a secret go and the one before does not have that one go. When it goes there does not count. */
export function newPlaces(before: readonly Directed[], asked: readonly Directed[]): string[] {
  const known = new Set(before.flatMap(directionsOf).map(({ key }) => key));
  return asked.flatMap(directionsOf).flatMap(({ key, place }) => (known.has(key) ? [] : [place]));
}

function directionsOf({ name, into }: Directed): { readonly key: string; readonly place: string }[] {
  return into.map((place) => ({ key: JSON.stringify([name ?? null, place]), place }));
}
