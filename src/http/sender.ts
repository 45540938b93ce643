import type { Log } from './log.js';

/** Sends what is due. */
export interface Sender {
  /** Takes what is due and begins to send it; when a message is done, what is due then follows. A slow receiver holds up its
   *  own messages alone. */
  pass(): Promise<void>;
  /** Ends when nothing is under way. */
  idle(): Promise<void>;
  /** Takes nothing from now on. */
  stop(): void;
}

interface SenderParts<Claimed> {
  /** How many messages are under way at a time, of one process. */
  readonly atOnce: number;
  /** Takes so many at most, none for a receiver to whom something is under way. */
  readonly claim: (limit: number, underWay: readonly Claimed[]) => Promise<readonly Claimed[]>;
  /** Sends one and puts on record how that ended. */
  readonly send: (claimed: Claimed) => Promise<void>;
  readonly log: Log;
  /** What the log says when nothing can be taken. */
  readonly waits: string;
}

/** Makes one. */
export function createSender<Claimed>({ atOnce, claim, send, log, waits }: SenderParts<Claimed>): Sender {
  const underWay = new Set<Claimed>();
  const sending = new Set<Promise<void>>();
  let claiming: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  let isStopped = false;

  async function takeSome(): Promise<void> {
    const limit = atOnce - underWay.size;
    if (limit <= 0 || isStopped) return;
    for (const one of await claim(limit, [...underWay])) {
      underWay.add(one);
      const sent = send(one)
        .catch((error: unknown) => log.warn({ err: error }, 'a delivery is not on record, and is sent again'))
        .then(() => {
          underWay.delete(one);
          return pass();
        })
        .catch((error: unknown) => log.warn({ err: error }, waits))
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }
  }

  /** One claim after the other, so that each knows what is under way. One that has not begun serves all who ask for one. */
  function pass(): Promise<void> {
    waiting ??= claiming.then(begin, begin);
    claiming = waiting;
    return waiting;
  }

  function begin(): Promise<void> {
    waiting = undefined;
    return takeSome();
  }

  return {
    pass,
    idle: async () => {
      while (sending.size > 0) await Promise.all(sending);
    },
    stop: () => {
      isStopped = true;
    },
  };
}
