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

interface Waiting<In, Out> {
  readonly item: In;
  readonly resolve: (out: Out) => void;
  readonly reject: (error: unknown) => void;
}

/** Lets the items that arrive while a statement is in flight share the next one. Nothing is kept from one statement to
 *  the next: an item is only ever answered by a statement that began after it came. `run` gives one outcome per item, in
 *  their order. */
export function createBatch<In, Out>(
  run: (items: readonly In[]) => Promise<readonly Out[]>,
  bounds: { readonly maxPerStatement: number; readonly maxWaiting: number },
): Batch<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let inFlight = 0;

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, bounds.maxPerStatement);
      waiting = waiting.slice(bounds.maxPerStatement);
      inFlight = batch.length;
      await settle(batch);
    }
    inFlight = 0;
  }

  async function settle(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const outcomes = await run(batch.map((one) => one.item));
      if (outcomes.length !== batch.length)
        throw new Error('a batch gave another number of outcomes than it had items');
      outcomes.forEach((outcome, at) => {
        batch[at]?.resolve(outcome);
      });
    } catch (error) {
      for (const one of batch) one.reject(error);
    }
  }

  return {
    add: (item) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= bounds.maxWaiting) return reject(new BatchFullError('too many requests wait'));
        waiting.push({ item, resolve, reject });
        if (inFlight > 0) return;
        inFlight = 1;
        // Begins after the events of this turn of the loop, so that what arrived together is asked together.
        setImmediate(() => void drain());
      }),
    length: () => waiting.length + inFlight,
  };
}
