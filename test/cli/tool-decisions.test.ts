import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId, printId } from '../../src/rules/format.js';
import { addSeconds } from '../../src/rules/lifetime.js';
import type { NewToolDecision } from '../../src/sdk/index.js';
import { createListeningService, type ListeningService } from '../setup/listening.js';
import { temporaryDirectory } from './command-line.js';
import { commandLineHere } from './in-process.js';

let service: ListeningService;
let runId: string;
let sent: NewToolDecision[];
beforeAll(async () => {
  service = await createListeningService();
  await service.makeWorkflow('flow');
  const { token } = await service.seedToken({ workflow: 'flow' });
  const { run_id } = await service.client(token).execChecks.check({ workflow: 'flow' });
  runId = run_id ?? '';
  sent = Array.from({ length: 60 }, (_, at) => decision(at));
  await service.client(token).runs.recordToolDecisions(runId, sent);
});
afterAll(() => service.close());

const home = temporaryDirectory();
const run = (args: readonly string[]) =>
  commandLineHere(home)(['runs', 'decisions', ...args], {
    env: { COUNTERSIGN_URL: service.url, COUNTERSIGN_TOKEN: service.owner.printed },
  });

function decision(seconds: number): NewToolDecision {
  const at = addSeconds(service.clock.now(), seconds);
  const id = printId('dec', newId('dec', at));
  const rest = { event: 'PreToolUse', tool: 'Bash', code: 'tool_rule', detail: 'not\u202e here' };
  return { id, at: at.toISOString(), ...rest, decision: seconds === 7 ? 'deny' : 'allow', rule: seconds };
}

describe('runs decisions', () => {
  test('lists the newest, a line each, and says that there are more', async () => {
    const { code, stdout, stderr } = await run([runId]);
    expect([code, stderr]).toEqual([0, 'There are more: --limit 500 shows older ones.\n']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(50);
    const newest = sent.at(-1);
    expect(lines[0]).toBe(`${newest?.at}\tallow\tPreToolUse\tBash\ttool_rule\t59\tnot\\u202e here\t${newest?.id}`);
  });

  test('takes the id of the check too, and prints all of a kind as JSON', async () => {
    const { code, stdout } = await run([runId.replace('run_', 'chk_'), '--decision', 'deny', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, { data: [sent[7]] }]);
    const all = await run([runId, '--limit', '1000', '--json']);
    expect(JSON.parse(all.stdout).data).toEqual([...sent].reverse());
  });

  test('says when there are none, and when there is no such run', async () => {
    expect(await run([runId, '--decision', 'ask'])).toEqual({ code: 0, stdout: '', stderr: 'No decisions match.\n' });
    expect(await run([`run_${'0'.repeat(22)}`])).toMatchObject({ code: 1, stdout: '' });
    expect(await run([runId, '--decision', 'maybe'])).toMatchObject({ code: 2 });
  });
});
