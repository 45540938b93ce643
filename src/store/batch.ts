/** More requests wait for the database than the service will hold. */
export class BatchFullError extends Error {
  override readonly name = 'BatchFullError';
}

export interface Batch<In, Out> {
  /** Gives the item's outcome from a statement that began after this call. Throws {@link BatchFullError} when too many
   *  wait, and what the statement throws. */
  add(item: In): Promise<Out>;
  /** How many items wait or are under way. */
  length(): number;
}

export interface BatchBounds {
  readonly maxPerStatement: number;
  /** How many may wait; beyond that the service sheds load. */
  readonly maxWaiting: number;
  /** How many statements are in flight at the same moment. */
  readonly atOnce: number;
}

interface Waiting<In, Out> {
  readonly item: In;
  readonly party: string;
  readonly resolve: (out: Out) => void;
  readonly reject: (error: unknown) => void;
}

/** A statement waits for more company while each turn of the event loop brings some: at most so many turns, and only while
 *  fewer than this wait. One that is alone goes at once. */
const MAX_TURNS = 8;
const ENOUGH = 24;

/** Lets the items that arrive while a statement is in flight share the next one. Nothing is kept from one statement to
 *  the next: an item is only ever answered by a statement that began after it came. `run` gives one outcome per item, in
 *  their order. When there is more to do than one statement takes, each party gets the same share of it, and when too many
 *  wait, those of the party with the most are turned away: a flood from one does not starve another. */
export function createBatch<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  bounds: BatchBounds,
  partyOf: (item: In) => string,
): Batch<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let statements = 0;
  let underWay = 0;

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      if (waiting.length > 1) await gathered();
      const batch = take();
      underWay += batch.length;
      await settle(batch);
      underWay -= batch.length;
    }
    statements -= 1;
  }

  // With several workers on the same cores each gets its turn more often, and would ask for few at a time.
  async function gathered(): Promise<void> {
    for (let turn = 0, seen = 1; turn < MAX_TURNS && seen < waiting.length && waiting.length < ENOUGH; turn += 1) {
      seen = waiting.length;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }

  function take(): Waiting<In, Out>[] {
    if (waiting.length > bounds.maxPerStatement) waiting = inTurns(waiting);
    const batch = waiting.slice(0, bounds.maxPerStatement);
    waiting = waiting.slice(bounds.maxPerStatement);
    return batch;
  }

  async function settle(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const outcomes = await run(batch.map((one) => one.item));
      if (outcomes.length !== batch.length)
        throw new Error('a batch gave another number of outcomes than it had items');
      for (const [at, outcome] of outcomes.entries()) batch[at]?.resolve(outcome);
    } catch (error) {
      for (const one of batch) one.reject(error);
    }
  }

  function admit(newcomer: Waiting<In, Out>): void {
    waiting.push(newcomer);
    if (waiting.length > bounds.maxWaiting) {
      const shed = waiting.splice(lastOfTheLargest(waiting), 1);
      for (const one of shed) one.reject(new BatchFullError('too many requests wait'));
    }
    if (statements >= bounds.atOnce) return;
    statements += 1;
    // Begins after the events of this turn of the loop, so that what arrived together is asked together.
    setImmediate(() => void work());
  }

  return {
    add: (item) => new Promise((resolve, reject) => admit({ item, party: partyOf(item), resolve, reject })),
    length: () => waiting.length + underWay,
  };
}

type Queued = { readonly party: string };

/** The first of each party, then the second of each, and so on; within a party the order stays. */
function inTurns<T extends Queued>(queue: readonly T[]): T[] {
  const turns = new Map<string, number>();
  const rounds: T[][] = [];
  for (const one of queue) {
    const turn = turns.get(one.party) ?? 0;
    turns.set(one.party, turn + 1);
    const round = rounds[turn];
    if (round) round.push(one);
    else rounds.push([one]);
  }
  return rounds.flat();
}

function lastOfTheLargest(queue: readonly Queued[]): number {
  const sizes = new Map<string, number>();
  for (const { party } of queue) sizes.set(party, (sizes.get(party) ?? 0) + 1);
  const largest = Math.max(...sizes.values());
  return queue.findLastIndex(({ party }) => sizes.get(party) === largest);
}
