import { z } from 'zod';
import type { ToolDryRun, ToolRule, ToolRules, ToolVerdict } from '../sdk/index.js';
import { fieldErrors } from '../wire/primitives.js';
import { toolRules } from '../wire/tool-rules.js';
import { signedInClient } from './client.js';
import { readJson } from './json-input.js';
import { type Colour, outputView, paint, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { type Column, renderTable } from './table.js';
import { UsageError } from './usage-error.js';

export interface ToolRuleTestFlags {
  tool: string;
  input?: string;
  rules?: string;
  json?: true;
}

const COLOURS: Record<ToolVerdict, Colour> = { allow: 'green', deny: 'red', ask: 'yellow' };
const SET_HINT = 'countersign workflow tool-rules set LABEL rules.json';
const TEST_HINT = "countersign workflow tool-rules test LABEL --tool Bash --input '{}'";

/** A rule as it is shown in its place; the default in the last. */
interface Line extends Partial<Omit<ToolRule, 'verdict'>> {
  readonly place: string;
  readonly verdict: ToolVerdict;
}

const COLUMNS: Column<Line>[] = [
  { title: 'RULE', value: (line) => line.place, isWhole: true },
  { title: 'VERDICT', value: (line) => line.verdict, colour: (line) => COLOURS[line.verdict], isWhole: true },
  { title: 'TOOL', value: (line) => line.tool ?? '' },
  { title: 'ARGUMENT', value: (line) => line.argument?.name ?? '' },
  { title: 'PATTERN', value: (line) => line.argument?.pattern ?? '' },
  { title: 'SYNTAX', value: (line) => line.argument?.syntax ?? '', isSpare: true },
  { title: 'REASON', value: (line) => line.reason ?? '', isSpare: true },
];

const TRACE_COLUMNS: Column<ToolDryRun['trace'][number]>[] = [
  { title: 'RULE', value: ({ index }) => String(index), isWhole: true },
  { title: 'DECIDES', value: ({ matched }) => (matched ? 'yes' : 'no'), isWhole: true },
  { title: 'WHY', value: ({ why }) => why },
];

/** `workflow tool-rules show`. */
export async function showToolRules(label: string, flags: { json?: true }): Promise<number> {
  printRules(await (await signedInClient()).workflows.toolRules(label), flags);
  return 0;
}

/** `workflow tool-rules set`. */
export async function setToolRules(label: string, file: string | undefined, flags: { json?: true }): Promise<number> {
  const rules = await readRules(file);
  printRules(await (await signedInClient()).workflows.putToolRules(label, rules), flags);
  if (!flags.json) say(`These are the tool rules of ${printable(label)} now.`);
  return 0;
}

/** `workflow tool-rules test`: the exit code is 0 for an allow, 1 for a deny and where a person would be asked. */
export async function testToolRules(label: string, flags: ToolRuleTestFlags): Promise<number> {
  const input = z.record(z.string(), z.unknown()).safeParse(await readInputOf(flags));
  if (!input.success) throw new UsageError("the tool's input must be a JSON object");
  const rules = flags.rules === undefined ? undefined : await readRules(flags.rules);
  const request = { tool: flags.tool, input: input.data, rules };
  const answer = await (await signedInClient()).workflows.dryRunToolRules(label, request);
  if (flags.json) printJson(answer);
  else printAnswer(answer);
  return answer.verdict === 'allow' ? 0 : 1;
}

async function readInputOf({ input }: ToolRuleTestFlags): Promise<unknown> {
  if (input === undefined) return await readJson(undefined, "the tool's input", TEST_HINT);
  try {
    return JSON.parse(input);
  } catch {
    throw new UsageError('what --input says is not JSON');
  }
}

async function readRules(file: string | undefined): Promise<ToolRules> {
  const rules = toolRules.safeParse(await readJson(file, 'the tool rules', SET_HINT));
  if (rules.success) return rules.data;
  const faults = fieldErrors(rules.error).map(({ pointer, detail }) => `${printable(pointer)} ${detail}`);
  throw new UsageError(`these are no tool rules: ${faults.join('; ')}`);
}

function printRules(rules: ToolRules, flags: { json?: true }): void {
  if (flags.json) {
    printJson(rules);
    return;
  }
  const lines = rules.rules.map((rule, index): Line => ({ place: String(index), ...rule }));
  const last: Line = { place: 'default', verdict: rules.default };
  for (const line of renderTable(COLUMNS, [...lines, last], outputView())) print(line);
}

function printAnswer({ verdict, rule, reason, trace }: ToolDryRun): void {
  const view = outputView();
  const who = rule === null ? 'by default' : `by rule ${rule}`;
  print(`${paint(verdict, COLOURS[verdict], view)} ${who}: ${printable(reason)}`);
  for (const line of trace.length > 0 ? renderTable(TRACE_COLUMNS, trace, view) : []) print(line);
}
