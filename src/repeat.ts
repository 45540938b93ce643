/** Does something again and again, never beside itself: what takes longer than its turn misses the next. A fault is told and
 *  the next turn tries again. It keeps no process alive. Gives what ends it. */
export function repeat(everyMs: number, act: () => Promise<unknown>, onFault: (error: unknown) => void): () => void {
  let isUnderWay = false;
  const timer = setInterval(() => {
    if (isUnderWay) return;
    isUnderWay = true;
    act()
      .catch(onFault)
      .finally(() => {
        isUnderWay = false;
      });
  }, everyMs).unref();
  return () => clearInterval(timer);
}
