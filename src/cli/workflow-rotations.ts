import { z } from 'zod';
import type { WorkflowRotation } from '../sdk/index.js';
import { workflowRotations } from '../wire/workflow-rotations.js';
import { readJson } from './json-input.js';
import { UsageError } from './usage-error.js';

export interface RotationFlags {
  rotateInto?: string[];
  rotateName?: string;
  rotateEvery?: number;
  rotateBefore?: number;
  rotations?: string;
}

const HINT = 'countersign workflow set codex-review --rotations rotations.json';
const document = z.union([workflowRotations, z.strictObject({ rotations: workflowRotations })]);

/** Where the secrets of a workflow live when the flags are done with it: the list of a file, or the list of before with one
 *  rotation in it made, changed or taken out. `undefined` for none, as with a limit. */
export async function rotationsIn(
  flags: RotationFlags,
  current: readonly WorkflowRotation[] = [],
): Promise<WorkflowRotation[] | undefined> {
  const rotations = await listIn(flags, current);
  return rotations.length === 0 ? undefined : rotations;
}

async function listIn(flags: RotationFlags, current: readonly WorkflowRotation[]): Promise<WorkflowRotation[]> {
  const { rotateName: name, rotateInto: into, rotateEvery: every, rotateBefore: before } = flags;
  const isOne = [name, into, every, before].some((flag) => flag !== undefined);
  if (flags.rotations !== undefined) {
    if (isOne) throw new UsageError('--rotations replaces the whole list: no other flag of rotation goes with it');
    return flags.rotations === 'none' ? [] : await readList(flags.rotations);
  }
  if (!isOne) return [...current];
  const others = current.filter((one) => one.name !== name);
  if (into?.join() === 'none') return others;
  const known = current.find((one) => one.name === name);
  const places = into ?? known?.into;
  if (places === undefined) throw new UsageError('say where the secret lives: --rotate-into SINK');
  const changed = {
    ...known,
    ...(name === undefined ? {} : { name }),
    into: places,
    ...(every === undefined ? {} : { every_days: every }),
    ...(before === undefined ? {} : { if_expires_within_days: before }),
  };
  if (changed.every_days === undefined && changed.if_expires_within_days === undefined) {
    throw new UsageError('say when the secret is replaced: --rotate-before DAYS, --rotate-every DAYS, or both');
  }
  return known === undefined ? [...others, changed] : current.map((one) => (one === known ? changed : one));
}

async function readList(file: string): Promise<WorkflowRotation[]> {
  const parsed = document.safeParse(await readJson(file, 'the rotations', HINT));
  if (!parsed.success) throw new UsageError(faultsOf(parsed.error));
  return 'rotations' in parsed.data ? parsed.data.rotations : parsed.data;
}

function faultsOf(error: z.ZodError): string {
  const issues = error.issues.flatMap((issue) => (issue.code === 'invalid_union' ? issue.errors.flat() : [issue]));
  const faults = issues.map(({ path, message }) => `  ${path.join('.')} ${message}`);
  return ['those are no rotations of a workflow:', ...new Set(faults)].join('\n');
}

/** Where the secrets of a workflow live, a line each. */
export function rotationDetails(rotations: readonly WorkflowRotation[]): [string, string][] {
  return rotations.map((one) => ['rotated', rotationText(one)]);
}

function rotationText({ name, into, if_expires_within_days: before, every_days: every }: WorkflowRotation): string {
  const times = [
    ...(before === undefined ? [] : [`${before} d before its end`]),
    ...(every === undefined ? [] : [`every ${every} d`]),
  ];
  return `${name === undefined ? '' : `${name} `}into ${into.join(' ')}, ${times.join(' or ')}`;
}
