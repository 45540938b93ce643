import { isTextGlob, literalsOf, matchesTextGlob } from './text-glob.js';
import { goesUp, isArgumentName, leavesHostOpen, matchArgument, type ToolArgument } from './tool-argument.js';

/** What a rule says of a tool call that it matches. `ask` leaves it to a person, and where nobody can be asked it denies. */
export type ToolVerdict = 'allow' | 'deny' | 'ask';

/** One line of a workflow's tool rules. `tool` is a glob over the tool's name, where `*` is any run of characters;
 *  `argument`, where there is one, must match too. `reason` is what the agent is told. */
export interface ToolRule {
  readonly verdict: ToolVerdict;
  readonly tool: string;
  readonly argument?: ToolArgument | undefined;
  readonly reason?: string | undefined;
}

/** The rules of a workflow: the first that matches decides, `default` where none does. */
export interface ToolRules {
  readonly default: ToolVerdict;
  readonly rules: readonly ToolRule[];
}

/** What an agent is about to do. `input` is the tool's input as the agent reports it. */
export interface ToolCall {
  readonly tool: string;
  readonly input: unknown;
}

/** What is said of a call. `rule` counts from 0; without it the default decided. No part of the input is in it. */
export interface ToolDecision {
  readonly verdict: ToolVerdict;
  readonly rule: number | undefined;
  readonly reason: string;
  /** What became of each rule up to the one that decided. */
  readonly trace: readonly { readonly index: number; readonly matched: boolean; readonly why: string }[];
}

/** What is wrong with a rule, and at which member. */
export interface ToolRuleFault {
  readonly path: readonly string[];
  readonly detail: string;
}

/** What holds for a workflow that nobody gave rules: everything is allowed. */
export const NO_TOOL_RULES: ToolRules = { default: 'allow', rules: [] };

const SAYS: Record<ToolVerdict, string> = {
  allow: 'allows it',
  deny: 'denies it',
  ask: 'leaves it to a person',
};

/** Decides about a tool call: the first rule that matches, else the default. Where an argument cannot be read, an `allow`
 *  does not match while `deny` and `ask` do; where it is missing, none does. Time grows with the rules and the input,
 *  never with their product beyond that, whatever the patterns are. */
export function decideTool(rules: ToolRules, call: ToolCall): ToolDecision {
  const trace: ToolDecision['trace'][number][] = [];
  for (const [index, rule] of rules.rules.entries()) {
    const { matched, why } = applyRule(rule, call);
    trace.push({ index, matched, why });
    if (matched) {
      const reason = rule.reason ?? `tool rule ${index} ${SAYS[rule.verdict]}`;
      return { verdict: rule.verdict, rule: index, reason, trace };
    }
  }
  const reason = `no tool rule matches, and the default ${SAYS[rules.default]}`;
  return { verdict: rules.default, rule: undefined, reason, trace };
}

/** Finds what is wrong with a rule: patterns and names that are none, and an `allow` that would reach further than it
 *  reads, or never match. */
export function toolRuleFault(rule: ToolRule): ToolRuleFault | undefined {
  const glob = 'must be 1 to 512 characters, with `\\*` for a star and `\\\\` for a backslash';
  if (!isTextGlob(rule.tool)) return { path: ['tool'], detail: glob };
  if (rule.argument === undefined) return undefined;
  const { name, pattern } = rule.argument;
  if (!isArgumentName(name)) {
    return { path: ['argument', 'name'], detail: 'must be names of 1 to 256 characters in all, with dots between' };
  }
  const path = ['argument', 'pattern'];
  if (!isTextGlob(pattern)) return { path, detail: glob };
  if (rule.verdict !== 'allow' || literalsOf(pattern).length === 1) return undefined;
  if (leavesHostOpen(pattern)) {
    return { path, detail: 'must spell out the host, since `*` also stands for what holds a slash' };
  }
  if (goesUp(pattern)) return { path, detail: 'must not hold both `*` and `..`: an allow never matches that' };
  return undefined;
}

function applyRule(rule: ToolRule, call: ToolCall): { readonly matched: boolean; readonly why: string } {
  if (!matchesTextGlob(rule.tool, call.tool)) return { matched: false, why: 'the tool is another one' };
  if (rule.argument === undefined) return { matched: true, why: 'the tool matches' };
  const match = matchArgument(rule.argument, call.input);
  switch (match.kind) {
    case 'matches':
      return { matched: true, why: `the tool and ${rule.argument.name} match` };
    case 'missing':
    case 'differs':
      return { matched: false, why: match.why };
    case 'unreadable':
      return { matched: rule.verdict !== 'allow', why: match.why };
    case 'beyond':
      return rule.verdict === 'allow'
        ? { matched: false, why: match.why }
        : { matched: true, why: `the tool and ${rule.argument.name} match` };
  }
}
