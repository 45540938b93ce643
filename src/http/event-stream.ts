import type { Answer } from './exchange.js';

/** One event: its name, and what is said with it as JSON, which is a line. */
export interface StreamEvent {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const KEEP_ALIVE_MS = 10_000;

/** Answers with Server-Sent Events: a comment at once and every 10 s, then one event, which is the last. `open` is given
 *  the way to emit it, or to end the stream without a word, and gives what to do when the reader goes away. */
export function eventStream(
  open: (emit: (event: StreamEvent | undefined) => void) => () => void,
  signal: AbortSignal,
): Answer {
  const encoder = new TextEncoder();
  let isCancelled = false;
  let finish = () => {};
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      let isOver = false;
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      const timer = setInterval(() => send(': keep-alive\n\n'), KEEP_ALIVE_MS);
      finish = () => {
        if (isOver) return;
        isOver = true;
        clearInterval(timer);
        signal.removeEventListener('abort', finish);
        close();
        if (!isCancelled) controller.close();
      };
      send(': watching\n\n');
      const close = open((event) => {
        if (!isOver && event !== undefined) send(`event: ${event.name}\ndata: ${JSON.stringify(event.data)}\n\n`);
        finish();
      });
      signal.addEventListener('abort', finish);
      // The reader may be gone before the first byte.
      if (signal.aborted) finish();
    },
    cancel: () => {
      isCancelled = true;
      finish();
    },
  });
  return { status: 200, headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }, body: stream };
}
