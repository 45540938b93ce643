import type { TokenId } from '../rules/format.js';
import { runEnd } from '../rules/token.js';
import { type Batch, createBatch } from '../store/batch.js';
import type { Lookup } from '../store/lookup.js';
import type { RunEnding, RunKey } from '../store/run-ends.js';

/** What a watch ends with: why the right to run has ended, or that this node closes. */
export type WatchEnd = RunEnding | { readonly why: 'closed'; readonly reason?: undefined };

/** The open watches of this node. What a watch hears is always read from the database: a notification only says when to
 *  read. */
export interface Watches {
  /** Tells once that the right to go on with a run has ended, as soon as it has, or that this node closes. Gives what ends
   *  the watch. */
  open(run: RunKey & { readonly tokenId: TokenId }, onEnd: (end: WatchEnd) => void): () => void;
  /** Reads again, for one workspace or, after a lost connection, for all. */
  changed(workspaceId: string | undefined): void;
  size(): number;
  /** Closes all open watches and opens no more: their guards go to another node. */
  close(): void;
}

interface Watch {
  readonly run: RunKey;
  readonly tokenId: TokenId;
  readonly onEnd: (end: WatchEnd) => void;
}

// The bound on how late a watch hears when every notification is lost.
const REREAD_EVERY_MS = 2_000;
const TOKENS_AT_ONCE = 200;
const MAX_WAITING = 100_000;

export function createWatches(
  lookup: Pick<Lookup, 'findAll'>,
  runEnds: Pick<Batch<RunKey, RunEnding | undefined>, 'add'>,
  onError: (error: unknown) => void,
): Watches {
  const watches = new Set<Watch>();
  // All watches are read at the same moment. In pieces, one after the other, they leave room for who asks about a token.
  const tokens = createBatch(
    (ids: readonly TokenId[]) => lookup.findAll(ids),
    { maxPerStatement: TOKENS_AT_ONCE, maxWaiting: MAX_WAITING, atOnce: 1 },
    () => 'watches',
  );

  let isClosed = false;

  function end(watch: Watch, as: WatchEnd): void {
    if (watches.delete(watch)) watch.onEnd(as);
  }

  /** The token and the run apart: what one says does not wait for the other. */
  function read(watch: Watch): void {
    readToken(watch).catch(onError);
    readRun(watch).catch(onError);
  }

  async function readRun(watch: Watch): Promise<void> {
    const ended = await runEnds.add(watch.run);
    if (ended !== undefined) end(watch, ended);
  }

  async function readToken(watch: Watch): Promise<void> {
    const token = await tokens.add(watch.tokenId);
    // A token that is gone from the database gives no right to anything.
    const ended = token === undefined ? 'revoked' : runEnd(token.facts);
    if (ended !== undefined) end(watch, { why: ended });
  }

  function readAgain(wanted: (watch: Watch) => boolean): void {
    for (const watch of watches) if (wanted(watch)) read(watch);
  }

  const timer = setInterval(() => readAgain(() => true), REREAD_EVERY_MS);
  timer.unref();
  return {
    open({ workspaceId, id, tokenId }, onEnd) {
      const watch = { run: { workspaceId, id }, tokenId, onEnd };
      watches.add(watch);
      if (isClosed) queueMicrotask(() => end(watch, { why: 'closed' }));
      else read(watch);
      return () => watches.delete(watch);
    },
    changed: (workspaceId) => readAgain((watch) => workspaceId === undefined || watch.run.workspaceId === workspaceId),
    size: () => watches.size,
    close: () => {
      isClosed = true;
      clearInterval(timer);
      for (const watch of watches) end(watch, { why: 'closed' });
    },
  };
}
