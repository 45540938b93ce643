import type { Readable } from 'node:stream';

/** What `git cat-file --batch` is asked to say of each object before its content. */
export const OBJECT_FORMAT = '%(objectname) %(objecttype) %(objectsize) %(rest)';

/** What becomes of the objects in a stream. `piece` is called for the content of the object that `begin` named last, when
 *  that said yes; a piece is good until the call returns. */
export interface ObjectSink {
  begin(object: { readonly id: string; readonly type: string; readonly rest: Buffer }): boolean;
  piece(bytes: Buffer): void;
  end(): void;
  missing(): void;
}

const NEWLINE = 0x0a;
const HEADER = /^([0-9a-f]{40,64}) (commit|tree|blob|tag) ([0-9]{1,15}) /;

/** Reads the output of `git cat-file --batch` in {@link OBJECT_FORMAT}, object after object, holding no more than a piece. */
export async function readObjects(stream: Readable, sink: ObjectSink): Promise<void> {
  let header: Buffer = Buffer.alloc(0);
  let left = 0;
  let isWanted = false;
  let isInObject = false;
  for await (const chunk of stream) {
    const bytes: Buffer = Buffer.from(chunk);
    let at = 0;
    while (at < bytes.length) {
      if (isInObject) {
        const content = bytes.subarray(at, at + left);
        if (isWanted && content.length > 0) sink.piece(content);
        left -= content.length;
        at += content.length;
        if (left > 0 || at === bytes.length) continue;
        // The newline behind the content.
        at += 1;
        isInObject = false;
        if (isWanted) sink.end();
        continue;
      }
      const end = bytes.indexOf(NEWLINE, at);
      header = Buffer.concat([header, bytes.subarray(at, end < 0 ? bytes.length : end)]);
      if (end < 0) break;
      at = end + 1;
      const [whole, id, type, size] = HEADER.exec(header.toString('latin1')) ?? [];
      if (whole === undefined || id === undefined || type === undefined) {
        sink.missing();
      } else {
        left = Number(size);
        isInObject = true;
        isWanted = sink.begin({ id, type, rest: Buffer.from(header.subarray(whole.length)) });
      }
      header = Buffer.alloc(0);
    }
  }
}
