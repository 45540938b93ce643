import type { TokenId, WorkspaceId } from '../rules/format.js';
import { type RunEnd, runEnd } from '../rules/token.js';
import type { Lookup } from '../store/lookup.js';

/** The open watches of this node. What a watch hears is always read from the database: a notification only says when to
 *  read. */
export interface Watches {
  /** Tells once that the right to run under a token has ended, as soon as it has, or that this node closes. Gives what
   *  ends the watch. */
  open(workspaceId: WorkspaceId, tokenId: TokenId, onEnd: (end: RunEnd | 'closed') => void): () => void;
  /** Reads again, for one workspace or, after a lost connection, for all. */
  changed(workspaceId: string | undefined): void;
  size(): number;
  /** Closes all open watches and opens no more: their guards go to another node. */
  close(): void;
}

interface Watch {
  readonly workspaceId: WorkspaceId;
  readonly tokenId: TokenId;
  readonly onEnd: (end: RunEnd | 'closed') => void;
}

// The bound on how late a watch hears when every notification is lost.
const REREAD_EVERY_MS = 2_000;

export function createWatches(lookup: Lookup, onError: (error: unknown) => void): Watches {
  const watches = new Set<Watch>();

  let isClosed = false;

  function end(watch: Watch, as: RunEnd | 'closed'): void {
    if (watches.delete(watch)) watch.onEnd(as);
  }

  async function read(watch: Watch): Promise<void> {
    const token = await lookup.find(watch.tokenId);
    // A token that is gone from the database gives no right to anything.
    const ended = token === undefined ? 'revoked' : runEnd(token.facts);
    if (ended !== undefined) end(watch, ended);
  }

  function readAgain(wanted: (watch: Watch) => boolean): void {
    for (const watch of watches) if (wanted(watch)) read(watch).catch(onError);
  }

  const timer = setInterval(() => readAgain(() => true), REREAD_EVERY_MS);
  timer.unref();
  return {
    open(workspaceId, tokenId, onEnd) {
      const watch = { workspaceId, tokenId, onEnd };
      watches.add(watch);
      if (isClosed) queueMicrotask(() => end(watch, 'closed'));
      else read(watch).catch(onError);
      return () => watches.delete(watch);
    },
    changed: (workspaceId) => readAgain((watch) => workspaceId === undefined || watch.workspaceId === workspaceId),
    size: () => watches.size,
    close: () => {
      isClosed = true;
      clearInterval(timer);
      for (const watch of watches) end(watch, 'closed');
    },
  };
}
