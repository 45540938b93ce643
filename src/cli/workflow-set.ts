import {
  type Client,
  type Constraints,
  type Leaver,
  ProblemError,
  type ReuseRule,
  type Workflow,
} from '../sdk/index.js';
import { signedInClient } from './client.js';
import { type ConstraintFlag, type ConstraintFlags, constraintKind, constraintsOf } from './constraint-flags.js';
import { say } from './output.js';
import { memberId } from './people.js';
import { printable } from './printable.js';
import { UsageError } from './usage-error.js';
import { type RotationFlags, rotationsIn } from './workflow-rotations.js';
import { printWorkflow } from './workflows.js';

export interface WorkflowFlags extends ConstraintFlags, RotationFlags {
  description?: string;
  allowScope?: string[];
  expiryDays?: number[];
  lift?: ConstraintFlag[];
  maxRunSeconds?: number;
  maxConcurrentRuns?: number | 'none';
  maxConcurrentRunsPerToken?: number | 'none';
  leaver?: Leaver['rule'] | 'none';
  successor?: string;
  windowDays?: number;
  reuseRule?: ReuseRule;
  contact?: string[];
  json?: true;
}

/** `workflow set`: makes a workflow, or changes what the flags name and keeps the rest. */
export async function setWorkflow(label: string, flags: WorkflowFlags): Promise<number> {
  const both = flags.lift?.find((flag) => flags[flag] !== undefined);
  if (both !== undefined) throw new UsageError(`--${both} and --lift ${both} contradict each other`);
  const client = await signedInClient();
  const current = await find(client, label);
  const workflow = await client.workflows.put(label, {
    description: flags.description ?? current?.description,
    allowed_scopes: flags.allowScope ?? current?.allowed_scopes,
    allowed_expiry_days: flags.expiryDays ?? current?.allowed_expiry_days,
    constraints: mergedConstraints(current?.constraints ?? {}, flags),
    max_run_seconds: flags.maxRunSeconds ?? current?.max_run_seconds,
    max_concurrent_runs: runLimit(flags.maxConcurrentRuns, current?.max_concurrent_runs),
    max_concurrent_runs_per_token: runLimit(flags.maxConcurrentRunsPerToken, current?.max_concurrent_runs_per_token),
    leaver: await leaverIn(client, flags, current?.leaver),
    reuse_rule: reuseRule(flags.reuseRule ?? current?.reuse_rule),
    contacts: contactsIn(flags.contact, current?.contacts),
    rotations: await rotationsIn(flags, current?.rotations),
  });
  printWorkflow(workflow, flags);
  if (!flags.json) say(`${printable(label)} is ${current ? 'changed' : 'made'}.`);
  return 0;
}

/** No limit is what a policy has that names none; a service of before there were limits would refuse the name. */
function runLimit(flag: number | 'none' | undefined, current: number | null | undefined): number | undefined {
  return flag === 'none' ? undefined : (flag ?? current ?? undefined);
}

/** The alarm is what a policy has that names no rule, as with a limit. */
function reuseRule(rule: ReuseRule | undefined): ReuseRule | undefined {
  return rule === 'alarm' ? undefined : rule;
}

/** None is what a policy has that names none, as with a limit. */
function contactsIn(flag: string[] | undefined, current: string[] | undefined): string[] | undefined {
  const contacts = flag?.join() === 'none' ? [] : (flag ?? current);
  return contacts?.length === 0 ? undefined : contacts;
}

const WINDOW_DAYS = 14;

/** No rule is what a policy has that names none, as with a limit. */
async function leaverIn(
  client: Client,
  flags: WorkflowFlags,
  current: Leaver | null | undefined,
): Promise<Leaver | undefined> {
  const rule = flags.leaver ?? current?.rule ?? 'none';
  const before = current?.rule === 'transfer' ? current : undefined;
  if (rule !== 'transfer') {
    const extra = flags.successor === undefined ? flags.windowDays && 'window-days' : 'successor';
    if (extra) throw new UsageError(`--${extra} goes with --leaver transfer`);
    return rule === 'none' ? undefined : { rule };
  }
  const successor = flags.successor === undefined ? before?.successor_id : await memberId(client, flags.successor);
  if (successor === undefined)
    throw new UsageError('--leaver transfer needs --successor, who may take the tokens over');
  return { rule, successor_id: successor, window_days: flags.windowDays ?? before?.window_days ?? WINDOW_DAYS };
}

async function find(client: Client, label: string): Promise<Workflow | undefined> {
  try {
    return await client.workflows.show(label);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 404) return undefined;
    throw error;
  }
}

function mergedConstraints(current: Constraints, flags: WorkflowFlags): Constraints {
  const lifted = new Set<string>((flags.lift ?? []).map(constraintKind));
  const merged = { ...current, ...constraintsOf(flags) };
  return Object.fromEntries(Object.entries(merged).filter(([kind]) => !lifted.has(kind)));
}
