import { parseRotations } from '../rotator/rotator-config.js';
import { type RotationResult, runRotations } from '../rotator/run-rotations.js';
import { describeFailure } from './failure.js';
import { readJson } from './json-input.js';
import { print, printJson } from './output.js';
import { printable } from './printable.js';
import { readingSinks, rotatingAsSignedIn } from './rotating.js';
import { isWell, rotationLines } from './rotation-lines.js';

export interface RotatorFlags {
  config: string;
  dryRun?: true;
  json?: true;
}

/** `rotator`: all that is due, once. Exit 1 when one failed. */
export async function runRotator(flags: RotatorFlags): Promise<number> {
  const document = await readJson(flags.config, 'the configuration', 'countersign rotator --config rotations.json');
  const rotations = readingSinks(() => parseRotations(document, process.env));
  const results = await runRotations(await rotatingAsSignedIn(), rotations, flags.dryRun === true);
  if (flags.json) printJson({ rotations: results.map(jsonOf) });
  else for (const line of results.flatMap(linesOf)) print(line);
  return results.every((result) => result.ok && isWell(result.report)) ? 0 : 1;
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
