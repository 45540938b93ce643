import { MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import type { Client } from '../sdk/index.js';
import { patiently } from './patience.js';
import { type Rotating, type RotationReport, rotateInto } from './rotate-into.js';
import type { Rotation } from './rotator-config.js';
import { SinkError } from './sink.js';

/** How long a predecessor stays valid for a rotation that cannot store its successor, in seconds: as long as can be. What
 *  ends it otherwise is the drain, once every sink has the successor. */
export const STORED_OVERLAP_SECONDS = MAX_OVERLAP_SECONDS;

/** What became of one rotation: its report, or why there is none. */
export type RotationResult =
  | { readonly title: string; readonly ok: true; readonly report: RotationReport }
  | { readonly title: string; readonly ok: false; readonly error: unknown };

/** How many are under way at once. */
const ABREAST = 4;
/** A successor of another rotator, younger than this and in no sink, is left alone. */
const LEAVE_SECONDS = 300;

/** Runs each rotation that is due, once, a few at a time and in another order each time, so that of several rotators none
 *  waits behind the other. One that fails keeps no other from going on. The results are in the order of the rotations. */
export async function runRotations(
  rotating: Rotating,
  rotations: readonly Rotation[],
  isDryRun: boolean,
): Promise<RotationResult[]> {
  const results = new Map<Rotation, RotationResult>();
  const waiting = shuffled(rotations);
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      results.set(next, await runOne(rotating, next, isDryRun));
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, work));
  return rotations.flatMap((rotation) => results.get(rotation) ?? []);
}

async function runOne(rotating: Rotating, rotation: Rotation, isDryRun: boolean): Promise<RotationResult> {
  const { title, sinks, smokeTest, due, expiresInDays, overlapSeconds, drainSeconds } = rotation;
  const request = {
    expires_in_days: expiresInDays,
    overlap_seconds: overlapSeconds ?? STORED_OVERLAP_SECONDS,
    drain_seconds: drainSeconds,
  };
  try {
    const token = await tokenOf(rotating.client, rotation);
    const order = { token, sinks, smokeTest, due, request, leaveSeconds: LEAVE_SECONDS, isDryRun };
    return { title, ok: true, report: await rotateInto(rotating, order) };
  } catch (error) {
    return { title, ok: false, error };
  }
}

/** The one lineage that a workflow (and name) has a good token of. Throws {@link SinkError} when there is none, or another. */
async function tokenOf(client: Client, { subject, title }: Rotation): Promise<string> {
  if (subject.kind === 'token') return subject.id;
  const heads: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { workflow: subject.label, status: 'active', limit: 200, cursor } as const;
    const page = await patiently(() => client.tokens.list(query));
    const named = page.data.filter(({ name }) => subject.name === undefined || name === subject.name);
    heads.push(...named.filter((token) => token.rotated_to === null).map(({ id }) => id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  const [head, ...others] = heads;
  if (head === undefined) throw new SinkError(`${title} has no active token`);
  if (others.length > 0) throw new SinkError(`${title} has ${heads.length} active tokens: name one by its id`);
  return head;
}

function shuffled(rotations: readonly Rotation[]): Rotation[] {
  const drawn = rotations.map((rotation) => ({ rotation, lot: Math.random() }));
  return drawn.sort((left, right) => left.lot - right.lot).map(({ rotation }) => rotation);
}
