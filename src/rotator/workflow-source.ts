import { holderKey, isSamePlace, matchesPlace, placeFault } from '../rules/rotation-place.js';
import { type Client, everyPage, type Workflow, type WorkflowRotation } from '../sdk/index.js';
import { patiently } from './patience.js';
import { parseRotation, type Rotation, titleOf } from './rotator-config.js';
import { type Environment, SinkTextError } from './sink.js';

/** What is to be rotated by the word of the service: whoever sets a workflow there, and the service itself, may be somebody that
 *  the rotator must not follow everywhere. */
export interface WorkflowSource {
  /** Only these workflows; all of the workspace otherwise. */
  readonly labels: readonly string[] | undefined;
  /** Patterns of the places that may be written to. */
  readonly allowed: readonly string[];
}

/** A rotation that is not done, and why. */
export interface RefusedRotation {
  readonly title: string;
  readonly places: readonly string[];
  readonly detail: string;
}

/** What the workflows say that may be done, and what may not. */
export interface SourcedRotations {
  readonly rotations: readonly Rotation[];
  readonly refused: readonly RefusedRotation[];
}

/** Reads where the secrets of workflows live. Refuses a rotation whose places are not all allowed, whose sinks lack what they
 *  need from the environment, or that claims a place which `own`, the rotator's own configuration, or another workflow claims:
 *  of those that claim one place the rotator's own is done, and none of the others. Workflows that are paused are left alone.
 *  Throws what the service refuses. */
export async function readWorkflowRotations(
  client: Client,
  source: WorkflowSource,
  own: readonly Rotation[],
  env: Environment,
): Promise<SourcedRotations> {
  const read: (Rotation | RefusedRotation)[] = [];
  for await (const { label, status, rotations } of workflowsOf(client, source.labels)) {
    if (status === 'paused') continue;
    read.push(...rotations.map((one) => judged(label, one, source.allowed, env)));
  }
  const allowed = read.filter(isRotation);
  const claims = claimsOf([...own, ...allowed]);
  const rotations: Rotation[] = [];
  const refused: RefusedRotation[] = read.flatMap((one) => (isRotation(one) ? [] : [one]));
  for (const one of allowed) {
    const places = placesOf(one);
    const shared = places.find((place) => claims(place).length > 1);
    if (shared === undefined) rotations.push(one);
    else refused.push(refusal(one.title, places, `${shared} is claimed by ${claims(shared).join(' and by ')}`));
  }
  return { rotations, refused };
}

async function* workflowsOf(client: Client, labels: readonly string[] | undefined): AsyncGenerator<Workflow> {
  if (labels === undefined) {
    yield* everyPage((cursor) => patiently(() => client.workflows.list({ cursor, limit: 200 })));
    return;
  }
  for (const label of new Set(labels)) yield await patiently(() => client.workflows.show(label));
}

function judged(
  label: string,
  one: WorkflowRotation,
  allowed: readonly string[],
  env: Environment,
): Rotation | RefusedRotation {
  const title = titleOf(label, one.name);
  const fault = one.into.map((place) => faultOf(place, allowed)).find((found) => found !== undefined);
  if (fault !== undefined) return refusal(title, one.into, fault);
  try {
    // Member by member: what else the service says, a command to try the secret with above all, is not heard.
    return parseRotation(
      {
        workflow: label,
        name: one.name,
        into: one.into,
        if_expires_within_days: one.if_expires_within_days,
        every_days: one.every_days,
        expires_in_days: one.expires_in_days,
        overlap_seconds: one.overlap_seconds,
        drain_seconds: one.drain_seconds,
      },
      env,
    );
  } catch (error) {
    if (error instanceof SinkTextError) return refusal(title, one.into, error.message);
    throw error;
  }
}

/** The service checked the place when it was named; the rotator does not take its word for it. */
function faultOf(place: string, allowed: readonly string[]): string | undefined {
  const fault = placeFault(place);
  if (fault !== undefined) return `${place} ${fault}`;
  return allowed.some((pattern) => matchesPlace(pattern, place))
    ? undefined
    : `${place} is no place that --allow-into allows`;
}

/** Who claims a place. */
function claimsOf(rotations: readonly Rotation[]): (place: string) => string[] {
  const byHolder = new Map<string, { readonly place: string; readonly rotation: Rotation }[]>();
  for (const rotation of rotations) {
    for (const place of placesOf(rotation)) {
      const key = holderKey(place);
      byHolder.set(key, [...(byHolder.get(key) ?? []), { place, rotation }]);
    }
  }
  return (place) => {
    const near = byHolder.get(holderKey(place)) ?? [];
    const claimants = near.filter((claim) => isSamePlace(claim.place, place)).map(({ rotation }) => rotation);
    return [...new Set(claimants)].map(({ title }) => title);
  };
}

function placesOf({ sinks }: Rotation): string[] {
  return sinks.map(({ name }) => name);
}

function refusal(title: string, places: readonly string[], detail: string): RefusedRotation {
  return { title, places, detail };
}

function isRotation(one: Rotation | RefusedRotation): one is Rotation {
  return 'sinks' in one;
}
