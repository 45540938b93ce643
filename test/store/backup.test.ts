import { expect, test } from 'vitest';
import { copyOut } from '../../src/store/backup.js';
import { openDatabase } from '../../src/store/database.js';
import { createTestDatabase } from '../setup/database.js';

test('a backup ends whatever the size of a table: also one whose end comes in the piece that fills the stream', async () => {
  const database = await createTestDatabase();
  const { sql, close } = openDatabase(database.options);
  try {
    for (let rows = 0; rows < 16; rows += 1) {
      const contents = await copyOut(database.options, async () => undefined);
      const copied = contents?.tables.find(({ name }) => name === 'seen_once');
      expect(copied).toMatchObject({ rows: rows * 64 });
      // Some four thousand bytes more each time.
      await sql`insert into seen_once select sha256((random() || n::text)::bytea), now() from generate_series(1, 64) n`;
    }
  } finally {
    await close();
    await database.drop();
  }
});
