import { type Client, type EnrolmentSummary, ProblemError } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { confirm } from './confirm.js';
import { HintedError } from './hinted-error.js';
import { timeIn } from './instant.js';
import { isInteractive, messageView, printJson, say } from './output.js';
import { printable } from './printable.js';
import { renderDetails } from './table.js';
import { UsageError } from './usage-error.js';

export interface ApproveFlags {
  name?: string;
  label?: string[];
  expiresInDays?: number;
  yes?: true;
  json?: true;
}

/** `runner approve`: shows which host asks, asks back on a terminal, and makes a runner of it. */
export async function approveRunner(code: string, flags: ApproveFlags): Promise<number> {
  const client = await signedInClient();
  const asking = await lookup(client, code);
  const name = flags.name ?? asking.name;
  const labels = flags.label ?? asking.labels;
  show(asking, name, labels);
  if (!flags.yes && !isInteractive()) {
    throw new UsageError('there is no terminal to ask at: compare the thumbprint, then give --yes');
  }
  if (!flags.yes && !(await confirm('Is this the host, and the thumbprint that it shows?', 'yes'))) {
    say('Nothing was approved.');
    return 1;
  }
  const runner = await client.enrolments.approve({
    user_code: code,
    name: flags.name,
    labels: flags.label,
    expires_in_days: flags.expiresInDays,
  });
  if (flags.json) printJson(runner);
  else say(`${printable(runner.name)} is a runner now: ${runner.id}, until ${runner.token_expires_at}.`);
  return 0;
}

/** `runner deny`. */
export async function denyRunner(code: string, flags: { json?: true }): Promise<number> {
  const client = await signedInClient();
  const asking = await lookup(client, code);
  await client.enrolments.deny(code);
  if (flags.json) printJson({ id: asking.id, name: asking.name, status: 'denied' });
  else say(`${printable(asking.name)} is turned away.`);
  return 0;
}

async function lookup(client: Client, code: string): Promise<EnrolmentSummary> {
  try {
    return await client.enrolments.lookup(code);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 422) throw error;
    throw new HintedError(error, 'The host shows a new code with `countersign runner join`.');
  }
}

function show(asking: EnrolmentSummary, name: string, labels: readonly string[]): void {
  const view = messageView();
  const lines = renderDetails(
    [
      ['name', name === asking.name ? name : `${name} (it asks for ${asking.name})`],
      ['labels', labels.join(' ') || 'none'],
      ['asks from', asking.ip],
      ['since', timeIn(view, asking.created_at, new Date())],
      ['thumbprint', asking.thumbprint],
    ],
    view,
  );
  for (const line of lines) say(line);
}
