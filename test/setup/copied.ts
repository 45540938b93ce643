import { copyOut } from '../../src/store/backup.js';
import type { ConnectionOptions } from '../../src/store/connect.js';
import type { Source } from '../../src/store/restore.js';

/** A backup of a database that stays in memory. It can be restored once. */
export async function copyDatabase(options: ConnectionOptions): Promise<Source> {
  const pieces: Buffer[] = [];
  const contents = await copyOut(options, async (piece) => {
    pieces.push(Buffer.from(piece));
  });
  if (contents === undefined) throw new Error('nothing was copied');
  const copy = Buffer.concat(pieces);
  let from = 0;
  return {
    contents,
    rowsOf: async function* ({ bytes }) {
      yield copy.subarray(from, from + bytes);
      from += bytes;
    },
  };
}
