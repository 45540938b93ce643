const MAX_TIMER_MS = 2 ** 31 - 1;

/** Milliseconds on a clock that only goes forward, whatever happens to the wall clock. */
export function monotonicMs(): number {
  return performance.now();
}

/** Waits until the monotonic clock shows `deadlineMs`, or the signal aborts. Node's own timers fire at once beyond 2^31
 *  milliseconds (24.8 days); this one waits. */
export async function waitUntil(deadlineMs: number, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const restMs = deadlineMs - monotonicMs();
    if (restMs <= 0 || signal?.aborted) return;
    await pause(Math.min(restMs, MAX_TIMER_MS), signal);
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, Math.ceil(ms));
    signal?.addEventListener('abort', wake, { once: true });
  });
}
