import { parseRotations, type Rotation } from '../rotator/rotator-config.js';
import { type RotationResult, runRotations } from '../rotator/run-rotations.js';
import { type RefusedRotation, readWorkflowRotations, type SourcedRotations } from '../rotator/workflow-source.js';
import { placePatternFault } from '../rules/rotation-place.js';
import type { Client } from '../sdk/index.js';
import { describeFailure } from './failure.js';
import { readJson } from './json-input.js';
import { print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { readingSinks, rotatingAsSignedIn } from './rotating.js';
import { isWell, rotationLines } from './rotation-lines.js';
import { UsageError } from './usage-error.js';

export interface RotatorFlags {
  config?: string;
  fromWorkflows?: true | string[];
  allowInto?: string[];
  dryRun?: true;
  json?: true;
}

/** `rotator`: all that is due, once, by a configuration, by what the workflows say, or by both. Exit 1 when one failed or was
 *  refused. */
export async function runRotator(flags: RotatorFlags): Promise<number> {
  const allowed = allowedPlaces(flags);
  if (flags.config === undefined && flags.fromWorkflows === undefined) {
    throw new UsageError('say what to rotate: --config FILE, --from-workflows, or both');
  }
  const own = await ownRotations(flags.config);
  const rotating = await rotatingAsSignedIn();
  const sourced = await sourcedRotations(rotating.client, flags, allowed, own);
  const results = await runRotations(rotating, [...own, ...sourced.rotations], flags.dryRun === true);
  if (flags.json) printJson({ rotations: [...results.map(jsonOf), ...sourced.refused.map(refusedJson)] });
  else for (const line of [...results.flatMap(linesOf), ...sourced.refused.map(refusedLine)]) print(line);
  if (!flags.json && results.length + sourced.refused.length === 0) say('No workflow says where its secrets live.');
  return sourced.refused.length === 0 && results.every((result) => result.ok && isWell(result.report)) ? 0 : 1;
}

/** Whoever may set a workflow says where its secrets go; who runs the rotator says where they may. */
function allowedPlaces({ fromWorkflows, allowInto }: RotatorFlags): string[] {
  if (fromWorkflows === undefined && allowInto !== undefined) {
    throw new UsageError('--allow-into goes with --from-workflows');
  }
  if (fromWorkflows !== undefined && allowInto === undefined) {
    throw new UsageError("say where secrets may go: --from-workflows --allow-into 'github:acme/**'");
  }
  for (const pattern of allowInto ?? []) {
    const fault = placePatternFault(pattern);
    if (fault !== undefined) throw new UsageError(`--allow-into ${printable(pattern)} ${fault}`);
  }
  return allowInto ?? [];
}

async function ownRotations(config: string | undefined): Promise<Rotation[]> {
  if (config === undefined) return [];
  const document = await readJson(config, 'the configuration', 'countersign rotator --config rotations.json');
  return readingSinks(() => parseRotations(document, process.env));
}

async function sourcedRotations(
  client: Client,
  { fromWorkflows }: RotatorFlags,
  allowed: readonly string[],
  own: readonly Rotation[],
): Promise<SourcedRotations> {
  if (fromWorkflows === undefined) return { rotations: [], refused: [] };
  const labels = fromWorkflows === true ? undefined : fromWorkflows;
  return await readWorkflowRotations(client, { labels, allowed }, own, process.env);
}

function linesOf(result: RotationResult): string[] {
  if (result.ok) return rotationLines(result.title, result.report);
  const { detail, hint } = describeFailure(result.error);
  return [`${result.title}: failed. ${detail}${hint === undefined ? '' : `. ${hint}`}`].map(printable);
}

function jsonOf(result: RotationResult): object {
  if (result.ok) return { subject: result.title, ...result.report };
  const { kind, detail } = describeFailure(result.error);
  return { subject: result.title, outcome: 'failed', error: { kind, detail } };
}

function refusedLine({ title, detail }: RefusedRotation): string {
  return printable(`${title}: refused. ${detail}`);
}

function refusedJson({ title, places, detail }: RefusedRotation): object {
  const sinks = places.map((sink) => ({ sink, state: 'untouched' }));
  return { subject: title, outcome: 'refused', sinks, error: { kind: 'refused', detail } };
}
