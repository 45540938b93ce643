import { expect, test } from 'vitest';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken, tokenResource } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const own = looseToken();

async function run(args: readonly string[], isTerminal = false) {
  const env = { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: own.token };
  return await commandLineHere(home)(['token', 'expiries', ...args], { env, isTerminal });
}

const why = [{ code: 'expiring', detail: 'ends in 30 days' }];

test('token expiries lists tokens by their ends', async () => {
  const token = { ...tokenResource({ name: 'nightly\u001b[2J' }), why };
  service.follow(() => ({ status: 200, body: { data: [token], next_cursor: null } }));
  const outcome = await run(['--days', '30']);
  const asked = service.received[0];
  expect(asked?.route).toBe('GET /v1/reports/tokens');
  expect(Object.fromEntries(asked?.query ?? [])).toEqual({ kind: 'expiring', days: '30', limit: '200' });
  const cells = [token.expires_at, token.id, token.workflow, 'nightly\\x1b[2J', token.owner.email, 'active'];
  expect(outcome).toMatchObject({ code: 0, stdout: `${cells.join('\t')}\n`, stderr: '' });
  expect(JSON.parse((await run(['--json'])).stdout)).toEqual({ data: [token] });
  expect(service.received.at(-1)?.query.get('days')).toBe('366');
  expect((await run([], true)).stdout).toContain('ENDS');
});

test('token expiries says plainly when there are none', async () => {
  service.follow(() => ({ status: 200, body: { data: [], next_cursor: null } }));
  expect(await run([])).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('No token ends') });
});

test('token expiries --ics gives the calendar byte by byte', async () => {
  const calendar = 'BEGIN:VCALENDAR\r\nX:é\u{1f600}\r\nEND:VCALENDAR\r\n';
  service.follow(() => ({ status: 200, text: calendar }));
  expect(await run(['--ics', '--days', '90'])).toMatchObject({ code: 0, stdout: calendar, stderr: '' });
  const asked = service.received[0];
  expect(asked?.route).toBe('GET /v1/expiries.ics');
  expect(asked?.query.get('days')).toBe('90');
  for (const other of [['--json'], ['--limit', '5']]) expect((await run(['--ics', ...other])).code).toBe(2);
});

test('token expiries --ics is refused as everything is', async () => {
  service.follow(() => problem(403, 'insufficient-scope', 'the token needs the scope tokens:read'));
  const outcome = await run(['--ics']);
  expect(outcome).toMatchObject({ code: 77, stdout: '', stderr: expect.stringContaining('tokens:read') });
});
