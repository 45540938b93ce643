import { aligned, rowsOf } from '../columns.js';
import { countersign } from '../command.js';
import type { Shell } from '../shell.js';
import { expectThat } from '../step-failed.js';
import type { Leak } from './leak-token.js';

const EXPECTED = ['workspace.created', 'workflow.created', 'token.minted', 'token.rotated', 'token.revoked'];

/** Step: what happened is on record, in a chain that shows any change. */
export async function readAudit(shell: Shell, leak: Leak): Promise<void> {
  const { narrator } = shell;
  narrator.step(
    'What happened is on record',
    'Each change is an event in the transaction of the change itself. Each event holds the hash of the one before it.',
  );
  const { stdout } = await shell.run(countersign(['audit', 'list']));
  narrator.output(aligned(stdout, [0, 1, 2, 3, 4]));
  const missing = EXPECTED.filter((action) => !stdout.includes(`\t${action}\t`));
  expectThat(missing.length === 0, `the trail holds ${missing.join(', ')}`, stdout);

  const verified = await shell.run(countersign(['audit', 'verify']));
  narrator.output(verified.stdout);
  const events = rowsOf(stdout).length;
  expectThat(verified.stdout.startsWith(`whole: ${events} events`), 'the chain is whole', verified.stdout);
  narrator.verified(`${events} events, the chain is whole`);

  const explained = await shell.run(countersign(['token', 'explain', leak.tokenId]));
  narrator.output(explained.stdout);
  expectThat(/^revoked\s/.test(explained.stdout), 'the token is explained as revoked', explained.stdout);
  narrator.verified('the whole life of the leaked token, with who and when');
}
