import { describe, expect, it } from 'vitest';
import { BatchFullError, createBatch } from '../../src/store/batch.js';

/** A batch whose statements end when the test says so. Items are `party:name`. */
function heldBatch(bounds: { maxPerStatement: number; maxWaiting: number; atOnce?: number }) {
  const statements: { items: readonly string[]; end: () => void; fail: (error: Error) => void }[] = [];
  const begun: (() => void)[] = [];
  const batch = createBatch<string, string>(
    (items) =>
      new Promise((resolve, reject) => {
        statements.push({ items, end: () => resolve(items.map((item) => item.toUpperCase())), fail: reject });
        begun.shift()?.();
      }),
    { atOnce: 1, ...bounds },
    (item) => item.split(':')[0] ?? '',
  );
  const nextStatement = () => new Promise<void>((resolve) => begun.push(resolve));
  return { batch, statements, nextStatement };
}

describe('a batch', () => {
  it('answers an item only from a statement that began after it came', async () => {
    const { batch, statements, nextStatement } = heldBatch({ maxPerStatement: 10, maxWaiting: 10 });
    const first = batch.add('a:1');
    await nextStatement();
    const second = batch.add('a:2');
    const third = batch.add('a:3');
    const next = nextStatement();
    statements[0]?.end();
    expect(await first).toBe('A:1');
    await next;
    expect(statements.map((one) => one.items)).toEqual([['a:1'], ['a:2', 'a:3']]);
    statements[1]?.end();
    expect(await Promise.all([second, third])).toEqual(['A:2', 'A:3']);
    expect(batch.length()).toBe(0);
  });

  it('gives each party the same share of a statement', async () => {
    const { batch, statements, nextStatement } = heldBatch({ maxPerStatement: 4, maxWaiting: 100 });
    const flood = Array.from({ length: 20 }, (_, at) => batch.add(`flood:${at}`));
    const quiet = [batch.add('quiet:0'), batch.add('quiet:1')];
    await nextStatement();
    expect(statements[0]?.items).toEqual(['flood:0', 'quiet:0', 'flood:1', 'quiet:1']);
    for (let at = 0; at < 6; at += 1) {
      const next = at < 5 ? nextStatement() : undefined;
      statements[at]?.end();
      await next;
    }
    expect(await Promise.all([...flood, ...quiet])).toHaveLength(22);
  });

  it('turns away the party with the most when too many wait', async () => {
    const { batch, statements, nextStatement } = heldBatch({ maxPerStatement: 2, maxWaiting: 3 });
    const flood = ['flood:0', 'flood:1', 'flood:2', 'flood:3'].map((item) => batch.add(item).catch((error) => error));
    const quiet = batch.add('quiet:0');
    const outcomes = await Promise.all(flood.slice(2));
    expect(outcomes.every((one) => one instanceof BatchFullError)).toBe(true);
    await nextStatement();
    expect(statements[0]?.items).toEqual(['flood:0', 'quiet:0']);
    const next = nextStatement();
    statements[0]?.end();
    expect(await quiet).toBe('QUIET:0');
    await next;
    statements[1]?.end();
    expect(await Promise.all(flood.slice(0, 2))).toEqual(['FLOOD:0', 'FLOOD:1']);
  });

  it('gives the fault of a statement to its own items and goes on', async () => {
    const { batch, statements, nextStatement } = heldBatch({ maxPerStatement: 1, maxWaiting: 10 });
    const first = batch.add('a:1').catch((error: Error) => error.message);
    const second = batch.add('a:2');
    await nextStatement();
    const next = nextStatement();
    statements[0]?.fail(new Error('gone'));
    expect(await first).toBe('gone');
    await next;
    statements[1]?.end();
    expect(await second).toBe('A:2');
  });

  it('has no more statements in flight than it may', async () => {
    const { batch, statements, nextStatement } = heldBatch({ maxPerStatement: 1, maxWaiting: 10, atOnce: 2 });
    const both = [batch.add('a:1'), batch.add('a:2'), batch.add('a:3')];
    await nextStatement();
    await nextStatement();
    expect(statements).toHaveLength(2);
    const third = nextStatement();
    statements[1]?.end();
    await third;
    statements[0]?.end();
    statements[2]?.end();
    expect(await Promise.all(both)).toEqual(['A:1', 'A:2', 'A:3']);
  });
});
