import { sql } from 'drizzle-orm';
import { expect, test } from 'vitest';
import { createLog } from '../../src/http/log.js';
import { openDatabase } from '../../src/store/database.js';
import { createTestDatabase } from '../setup/database.js';

test('an error of the database is logged without the parameters of its statement', async () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line: string) => lines.push(line) > 0 } as unknown as NodeJS.WritableStream);
  const database = await createTestDatabase();
  const { db, close } = openDatabase(database.options);
  await db.execute(sql`select ${'a-secret'}::text, 1 / 0`).catch((error) => log.error({ err: error }, 'it failed'));
  await close();
  await database.drop();
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    msg: 'it failed',
    err: { message: 'division by zero', code: '22012' },
  });
  expect(lines.join()).not.toContain('a-secret');
});
