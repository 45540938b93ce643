import { sql } from 'drizzle-orm';
import type { WorkspaceId } from '../rules/format.js';
import { type ConnectionOptions, connect, type Sql } from './connect.js';
import type { Tx } from './database.js';

const CHANNEL = 'countersign_changes';
const DUE_CHANNEL = 'countersign_due';
const PING = 'ping';
const PING_EVERY_MS = 5_000;

/** Tells the watchers of all nodes that a right to run may have ended, with the commit. It is a hint: who watches re-reads
 *  on a timer too. */
export async function notifyChange(tx: Tx, workspaceId: WorkspaceId): Promise<void> {
  await tx.execute(sql`select pg_notify(${CHANNEL}, ${workspaceId})`);
}

/** Tells the senders of all nodes that there is something to send, with the commit. It is a hint: they look by themselves
 *  too. */
export async function notifyDue(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_notify(${DUE_CHANNEL}, '')`);
}

/** What hears of it. */
export interface Listener {
  /** Gets the workspace that changed, or `undefined` after each (re)connect: what was said before that was not heard. */
  changed(workspaceId: string | undefined): void;
  due(): void;
}

export interface Notifications {
  /** Whether the last ping came back. */
  isHeard(): boolean;
  close(): Promise<void>;
}

/** Listens on a direct connection. A ping is sent through the database every 5 s; when one does not come back the connection
 *  is made anew, whatever ended it: a lost server, a pooler that swallows LISTEN, a dead network. */
export function listenForChanges(direct: ConnectionOptions, listener: Listener): Notifications {
  let isHeard = false;
  // A ping is to come back: one that was sent, or the first, which is sent as soon as it can be heard.
  let isAwaited = true;
  let connection = open();

  function open(): Sql {
    const fresh = connect(direct, { max: 1 });
    fresh
      .listen(
        CHANNEL,
        (payload) => {
          if (payload !== PING) return listener.changed(payload);
          isHeard = true;
          isAwaited = false;
        },
        () => {
          listener.changed(undefined);
          ping(fresh);
        },
      )
      // A listen that fails is seen by its ping, which then does not come back.
      .catch(() => undefined);
    fresh.listen(DUE_CHANNEL, listener.due).catch(() => undefined);
    return fresh;
  }

  function ping(over: Sql): void {
    isAwaited = true;
    over.notify(CHANNEL, PING).catch(() => undefined);
  }

  function beat(): void {
    if (!isAwaited) {
      ping(connection);
      return;
    }
    isHeard = false;
    void connection.end({ timeout: 0 });
    connection = open();
  }

  const timer = setInterval(beat, PING_EVERY_MS);
  return {
    isHeard: () => isHeard,
    close: async () => {
      clearInterval(timer);
      await connection.end({ timeout: 1 });
    },
  };
}
