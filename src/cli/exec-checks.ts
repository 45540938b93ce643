import { type Client, type ExecCheck, everyPage } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime, timeIn } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { type Column, renderDetails, renderTable } from './table.js';

export interface ExecCheckListFlags {
  workflow?: string;
  token?: string;
  decision?: 'allow' | 'deny';
  after?: string;
  limit?: number;
  json?: true;
}

const USUAL_LIMIT = 50;

/** `exec-check list`: the newest checks that match. */
export async function listExecChecks(flags: ExecCheckListFlags): Promise<number> {
  const client = await signedInClient();
  const limit = flags.limit ?? USUAL_LIMIT;
  const query = {
    workflow: flags.workflow,
    token: flags.token && (await tokenId(client, flags.token)),
    decision: flags.decision,
    after: flags.after,
    limit: Math.min(limit + 1, 200),
  };
  const found = await collect(
    everyPage((cursor) => client.execChecks.list({ ...query, cursor })),
    limit + 1,
  );
  const checks = found.slice(0, limit);
  if (flags.json) printJson({ data: checks });
  else if (checks.length === 0) say('No checks match.');
  else for (const line of renderTable(columns(new Date()), checks, outputView())) print(line);
  if (found.length > limit) say(`There are more: --limit ${limit * 10} shows older ones.`);
  return 0;
}

/** `exec-check show`. */
export async function showExecCheck(id: string, flags: { json?: true }): Promise<number> {
  const check = await (await signedInClient()).execChecks.show(id);
  if (flags.json) printJson(check);
  else printCheck(check);
  return 0;
}

async function tokenId(client: Client, named: string): Promise<string> {
  return named === 'self' ? (await client.me()).token.id : named;
}

function columns(now: Date): Column<ExecCheck>[] {
  return [
    { title: 'ID', value: (check) => check.check_id, isWhole: true },
    { title: 'AT', value: (check) => check.as_of, shown: (check) => relativeTime(check.as_of, now), isWhole: true },
    {
      title: 'DECISION',
      value: (check) => check.decision,
      colour: (check) => (check.decision === 'allow' ? 'green' : 'red'),
    },
    { title: 'OUTCOME', value: outcomeOf },
    { title: 'WORKFLOW', value: (check) => check.workflow },
    { title: 'REPOSITORY', value: (check) => check.context.repository ?? '', isSpare: true },
    { title: 'TOKEN', value: (check) => check.token_id ?? '', isSpare: true },
  ];
}

/** What came of a check: why it was denied, or how the job ended. */
function outcomeOf({ decision, reasons, finished_at, exit_code, signal }: ExecCheck): string {
  if (decision === 'deny') return reasons.map((reason) => reason.code).join(' ');
  if (finished_at === null) return 'no end known';
  return signal ?? `exit ${exit_code}`;
}

function printCheck(check: ExecCheck): void {
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const { context } = check;
  const lines = renderDetails(
    [
      ['id', check.check_id],
      ['decision', check.decision],
      ...check.reasons.map(({ code, detail }) => ['because', `${detail} (${code})`] as const),
      ['at', time(check.as_of)],
      ['workflow', check.workflow],
      ['scopes', check.scopes.join(' ') || 'none'],
      ['token', check.token_id ?? 'none of this workspace'],
      ['asked by', check.caller_token_id === check.token_id ? undefined : check.caller_token_id],
      ['asked from', check.ip],
      ['repository', context.repository],
      ['ref', context.ref],
      ['environment', context.environment],
      ['job', context.job],
      ['command', context.command],
      ['valid until', time(check.valid_until)],
      ['finished', check.decision === 'deny' ? undefined : (time(check.finished_at) ?? 'no end known')],
      ['exit code', check.exit_code === null ? undefined : String(check.exit_code)],
      ['signal', check.signal],
    ],
    view,
  );
  for (const line of lines) print(line);
}
