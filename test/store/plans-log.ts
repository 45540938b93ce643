import { z } from 'zod';

/** A node of a plan as it ran. Counts are averages over the loops. */
const node = z.object({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Actual Rows': z.number(),
  'Actual Loops': z.number(),
  'Rows Removed by Filter': z.number().optional(),
  'Rows Removed by Index Recheck': z.number().optional(),
  'Shared Hit Blocks': z.number(),
  'Shared Read Blocks': z.number(),
  get Plans() {
    return z.array(node).optional();
  },
});
export type PlanNode = z.infer<typeof node>;

const entry = z.object({ 'Query Text': z.string(), Plan: node });

/** A statement as it ran. */
export interface RanStatement {
  readonly text: string;
  readonly plan: PlanNode;
}

const PLAN_LINE = /LOG: {2}duration: .* plan:$/;
const MARK = /^select '(step: .*)'$/;

/** The text of a statement that says in the log which step begins. */
export function markOf(step: string): string {
  return `select 'step: ${step}'`;
}

/** The statements in a log of PostgreSQL, by the step that was under way. */
export function statementsByStep(log: string): Map<string, RanStatement[]> {
  const steps = new Map<string, RanStatement[]>();
  let step = 'before the first step';
  for (const { text, plan } of statements(log)) {
    const mark = MARK.exec(text)?.[1]?.slice('step: '.length);
    if (mark !== undefined) step = mark;
    else steps.set(step, [...(steps.get(step) ?? []), { text, plan }]);
  }
  return steps;
}

function* statements(log: string): Generator<RanStatement> {
  // The lines of an entry after its first begin with a tab.
  let json: string[] | undefined;
  for (const line of [...log.split('\n'), '']) {
    if (json !== undefined && line.startsWith('\t')) {
      json.push(line);
      continue;
    }
    if (json !== undefined) {
      const { 'Query Text': text, Plan: plan } = entry.parse(JSON.parse(json.join('\n')));
      yield { text: text.replaceAll(/\s+/g, ' ').trim(), plan };
    }
    json = PLAN_LINE.test(line) ? [] : undefined;
  }
}

/** A node and all below it. */
export function nodesOf(plan: PlanNode): PlanNode[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)];
}

/** How many pages of the database a statement looked at. */
export function pagesOf({ plan }: RanStatement): number {
  return plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
}

/** How many rows a node took into its hands, whatever it did with them. */
export function rowsRead(scan: PlanNode): number {
  const each =
    scan['Actual Rows'] + (scan['Rows Removed by Filter'] ?? 0) + (scan['Rows Removed by Index Recheck'] ?? 0);
  return Math.round(each * scan['Actual Loops']);
}

/** A plan for people, a node a line. */
export function printPlan(plan: PlanNode, depth = 0): string {
  const on = plan['Relation Name'] === undefined ? '' : ` on ${plan['Relation Name']}`;
  const by = plan['Index Name'] === undefined ? '' : ` by ${plan['Index Name']}`;
  const pages = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  const line = `${'  '.repeat(depth)}${plan['Node Type']}${on}${by}: ${rowsRead(plan)} rows read, ${pages} pages`;
  return [line, ...(plan.Plans ?? []).map((below) => printPlan(below, depth + 1))].join('\n');
}
