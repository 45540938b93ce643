import { everyPage, type Run, type RunStatus } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime, timeIn } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { personText } from './people.js';
import { retryWhenLost } from './retry.js';
import { type Column, renderDetails, renderTable } from './table.js';

export interface RunListFlags {
  workflow?: string;
  token?: string;
  status?: RunStatus;
  limit?: number;
  json?: true;
}

export interface StopFlags {
  reason?: string;
  json?: true;
}

const USUAL_LIMIT = 50;
const COLOURS: Record<RunStatus, Colour | undefined> = {
  running: 'green',
  finished: undefined,
  stopped: 'red',
  lost: 'yellow',
};

/** `runs list`: the newest that match. */
export async function listRuns(flags: RunListFlags): Promise<number> {
  const client = await signedInClient();
  const limit = flags.limit ?? USUAL_LIMIT;
  const query = {
    workflow: flags.workflow,
    token: flags.token === 'self' ? (await client.me()).token.id : flags.token,
    status: flags.status,
    limit: Math.min(limit + 1, 200),
  };
  const found = await collect(
    everyPage((cursor) => client.runs.list({ ...query, cursor })),
    limit + 1,
  );
  const runs = found.slice(0, limit);
  if (flags.json) printJson({ data: runs });
  else if (runs.length === 0) say(flags.status === undefined ? 'Nothing runs that matches.' : 'No runs match.');
  else for (const line of renderTable(columns(new Date()), runs, outputView())) print(line);
  if (found.length > limit) say(`There are more: --limit ${limit * 10} shows older ones.`);
  return 0;
}

/** `runs show`. */
export async function showRun(id: string, flags: { json?: true }): Promise<number> {
  const run = await (await signedInClient()).runs.show(runId(id));
  if (flags.json) printJson(run);
  else printRun(run);
  return 0;
}

/** `runs stop`. */
export async function stopRun(id: string, flags: StopFlags): Promise<number> {
  const client = await signedInClient();
  const run = await retryWhenLost(() => client.runs.stop(runId(id), { reason: flags.reason }));
  if (flags.json) printJson(run);
  else say(`${run.run_id} is stopped: its guard ends the job.`);
  return 0;
}

/** A run has the id of its check, which is the one that its job knows. */
function runId(id: string): string {
  return id.replace(/^chk_/, 'run_');
}

function columns(now: Date): Column<Run>[] {
  return [
    { title: 'ID', value: (run) => run.run_id, isWhole: true },
    {
      title: 'STARTED',
      value: (run) => run.started_at,
      shown: (run) => relativeTime(run.started_at, now),
      isWhole: true,
    },
    { title: 'STATUS', value: (run) => run.status, colour: (run) => COLOURS[run.status] },
    { title: 'WORKFLOW', value: (run) => run.workflow },
    { title: 'REPOSITORY', value: (run) => run.context.repository ?? '' },
    { title: 'JOB', value: (run) => run.context.job ?? '', isSpare: true },
    { title: 'WHERE', value: (run) => run.runner?.name ?? run.ip ?? '' },
    { title: 'CREATOR', value: (run) => run.creator.email, isSpare: true },
    { title: 'TOKEN', value: (run) => run.token_id ?? '', isSpare: true },
  ];
}

function printRun(run: Run): void {
  const view = outputView();
  const time = (at: string | null) => timeIn(view, at, new Date());
  const { context } = run;
  const lines = renderDetails(
    [
      ['id', run.run_id],
      ['status', run.status],
      ['workflow', run.workflow],
      ['started', time(run.started_at)],
      ['repository', context.repository],
      ['ref', context.ref],
      ['environment', context.environment],
      ['job', context.job],
      ['command', context.command],
      ['scopes', run.scopes.join(' ') || 'none'],
      ['runner', run.runner && `${run.runner.name} (${run.runner.id})`],
      ['address', run.ip],
      ['token', run.token_id],
      ['creator', personText(run.creator)],
      ['asked by', run.caller_token_id === run.token_id ? undefined : run.caller_token_id],
      ['lease ends', time(run.lease_ends_at)],
      ['valid until', time(run.valid_until)],
      ['finished', time(run.finished_at)],
      ['exit code', run.exit_code?.toString()],
      ['signal', run.signal],
      ['stopped', time(run.stopped_at)],
      ['stopped by', run.stopped_by],
      ['reason', run.stopped_reason],
    ],
    view,
  );
  for (const line of lines) print(line);
}
