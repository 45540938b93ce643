import { MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import type { Client, Token } from '../sdk/index.js';
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
 *  waits behind the other. One that fails keeps no other from going on. Of two that mean one token the first is done, and the
 *  other fails: they would undo each other's work. The results are in the order of the rotations. */
export async function runRotations(
  rotating: Rotating,
  rotations: readonly Rotation[],
  isDryRun: boolean,
): Promise<RotationResult[]> {
  const found = await abreast(rotations, (rotation) => findSubject(rotating.client, rotation));
  const owners = new Map<string, Rotation>();
  for (const one of found) if (one.ok && !owners.has(one.lineageId)) owners.set(one.lineageId, one.rotation);
  return await abreast(found, async (one) => {
    const { title } = one.rotation;
    if (!one.ok) return { title, ok: false, error: one.error };
    const owner = owners.get(one.lineageId) ?? one.rotation;
    if (owner === one.rotation) return await runOne(rotating, one.rotation, one.id, isDryRun);
    return { title, ok: false, error: new SinkError(`it is the token of ${owner.title} too, which goes before`) };
  });
}

type Found = { readonly rotation: Rotation } & (
  | { readonly ok: true; readonly id: string; readonly lineageId: string }
  | { readonly ok: false; readonly error: unknown }
);

async function findSubject(client: Client, rotation: Rotation): Promise<Found> {
  try {
    return { rotation, ok: true, ...(await tokenOf(client, rotation)) };
  } catch (error) {
    return { rotation, ok: false, error };
  }
}

async function runOne(
  rotating: Rotating,
  rotation: Rotation,
  token: string,
  isDryRun: boolean,
): Promise<RotationResult> {
  const { title, sinks, smokeTest, due, expiresInDays, overlapSeconds, drainSeconds } = rotation;
  const request = {
    expires_in_days: expiresInDays,
    overlap_seconds: overlapSeconds ?? STORED_OVERLAP_SECONDS,
    drain_seconds: drainSeconds,
  };
  try {
    const order = { token, sinks, smokeTest, due, request, leaveSeconds: LEAVE_SECONDS, isDryRun };
    return { title, ok: true, report: await rotateInto(rotating, order) };
  } catch (error) {
    return { title, ok: false, error };
  }
}

/** Acts on a few at once, in an order by chance. The results are in the order of the items. */
async function abreast<T, R>(items: readonly T[], act: (item: T) => Promise<R>): Promise<R[]> {
  const done: { readonly at: number; readonly result: R }[] = [];
  const waiting = shuffled([...items.entries()]);
  const work = async () => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [at, item] = next;
      done.push({ at, result: await act(item) });
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, work));
  return done.sort((left, right) => left.at - right.at).map(({ result }) => result);
}

/** The one lineage that a workflow (and name) has a good token of. Throws {@link SinkError} when there is none, or another. */
async function tokenOf(client: Client, { subject, title }: Rotation): Promise<Subject> {
  if (subject.kind === 'token') return subjectIn(await patiently(() => client.tokens.show(subject.id)));
  const heads: Subject[] = [];
  let cursor: string | undefined;
  do {
    const query = { workflow: subject.label, status: 'active', limit: 200, cursor } as const;
    const page = await patiently(() => client.tokens.list(query));
    const named = page.data.filter(({ name }) => subject.name === undefined || name === subject.name);
    heads.push(...named.filter((token) => token.rotated_to === null).map(subjectIn));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  const [head, ...others] = heads;
  if (head === undefined) throw new SinkError(`${title} has no active token`);
  if (others.length > 0) throw new SinkError(`${title} has ${heads.length} active tokens: name one by its id`);
  return head;
}

interface Subject {
  readonly id: string;
  readonly lineageId: string;
}

function subjectIn({ id, lineage_id }: Token): Subject {
  return { id, lineageId: lineage_id };
}

function shuffled<T>(items: readonly T[]): T[] {
  const drawn = items.map((item) => ({ item, lot: Math.random() }));
  return drawn.sort((left, right) => left.lot - right.lot).map(({ item }) => item);
}
