import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readObjects } from '../../src/cli/git-objects.js';

const content = fc.oneof(
  fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('', '\n', '\n\n', `${'a'.repeat(40)} blob 3 x\n`).map((text) => Buffer.from(text)),
);
const object = fc.record({
  id: fc.constantFrom('0'.repeat(40), 'f'.repeat(64)),
  type: fc.constantFrom('commit', 'tree', 'blob', 'tag'),
  path: fc.constantFrom('', 'a b/c', ' leading', 'missing', 'ü'),
  content,
  isMissing: fc.boolean(),
});

test('objects are read the same however their stream is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(object, { maxLength: 8 }), fc.integer({ min: 1, max: 50 }), async (objects, size) => {
      const stream = Buffer.concat(
        objects.flatMap((one) => {
          if (one.isMissing) return [Buffer.from(`?${one.id} missing\n`)];
          const header = Buffer.from(`${one.id} ${one.type} ${one.content.length} ${one.path}\n`);
          return [header, one.content, Buffer.from('\n')];
        }),
      );
      const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, at) =>
        stream.subarray(at * size, (at + 1) * size),
      );
      const read: string[] = [];
      let bytes = Buffer.alloc(0);
      await readObjects(Readable.from(pieces), {
        begin({ id, type, rest }) {
          read.push(`${id} ${type} ${rest.toString()}`);
          bytes = Buffer.alloc(0);
          return type !== 'tree';
        },
        piece(piece) {
          bytes = Buffer.concat([bytes, piece]);
        },
        end: () => read.push(bytes.toString('hex')),
        missing: () => read.push('missing'),
      });
      const expected = objects.flatMap((one) => {
        if (one.isMissing) return ['missing'];
        const named = `${one.id} ${one.type} ${one.path}`;
        return one.type === 'tree' ? [named] : [named, one.content.toString('hex')];
      });
      expect(read).toEqual(expected);
    }),
  );
});
