import { describe, expect, test } from 'vitest';
import type { Session } from '../../src/sdk/index.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';
import { looseToken } from './resources.js';
import { problem, scriptedService } from './scripted-service.js';

const service = scriptedService();
const home = temporaryDirectory();
const { token } = looseToken();
const run = (args: readonly string[]) =>
  commandLineHere(home)(args, { env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: token }, input: '' });

const ID = 'ses_01KfUXmCbVYz8sQ2dW3nRk';
const session: Session = {
  id: ID,
  member_id: 'mem_01KfUXmCbVYz8sQ2dW3nRk',
  method: 'oidc',
  status: 'active',
  created_at: '2026-03-02T10:00:00.000Z',
  last_used_at: '2026-03-02T10:30:00.000Z',
  expires_at: '2026-03-02T22:00:00.000Z',
  ended_at: null,
  ip: '192.0.2.1',
  user_agent: 'a browser',
};
const ended: Session = { ...session, id: 'ses_01KfUXmCbVYz8sQ2dW3nRl', status: 'ended' };

describe('session list', () => {
  test('shows what goes on, or all of a member’s', async () => {
    service.follow(() => ({ status: 200, body: { data: [session, ended], next_cursor: null } }));
    const list = await run(['session', 'list']);
    expect(list).toMatchObject({ code: 0 });
    expect(list.stdout).toContain(ID);
    expect(list.stdout).not.toContain(ended.id);
    const all = await run(['session', 'list', '--member', session.member_id, '--all', '--json']);
    expect(JSON.parse(all.stdout)).toEqual({ data: [session, ended] });
    expect(service.received.at(-1)?.route).toBe('GET /v1/sessions');
  });
});

describe('session end', () => {
  test('ends one, and says what else ended', async () => {
    service.follow(() => ({ status: 204 }));
    expect(await run(['session', 'end', ID])).toMatchObject({
      code: 0,
      stderr: `${ID} has ended, and the tokens that were approved in it are revoked.\n`,
    });
    expect(service.received.at(-1)?.route).toBe(`DELETE /v1/sessions/${ID}`);
  });

  test('is refused with 77 where it is not the caller’s to end', async () => {
    service.follow(() => problem(403, 'not-allowed', 'your role may not end the sessions of this member'));
    expect(await run(['session', 'end', ID, '--json'])).toMatchObject({ code: 77 });
  });
});
