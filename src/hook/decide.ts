import { decideTool, type ToolRules } from '../rules/tool-rule.js';
import type { HookEvent } from './event.js';
import { denial, type Ruling } from './ruling.js';
import { secretIn } from './secrets.js';

/** Whether the run may go on, as the service said it just now. */
export type Standing =
  | { readonly kind: 'live' }
  | { readonly kind: 'ended'; readonly detail: string }
  | { readonly kind: 'unknown'; readonly detail: string };

/** The tool rules as they are just now, or why nobody can say. */
export type RulesNow =
  | { readonly kind: 'read'; readonly rules: ToolRules }
  | { readonly kind: 'unknown'; readonly detail: string };

/** What an event is decided by. `rules` are read for events of tools alone. */
export interface HookFacts {
  readonly standing: Standing;
  readonly rules: RulesNow | undefined;
}

/** Why an event was decided as it was, for the record. */
export type HookCode =
  | 'run_live'
  | 'run_ended'
  | 'run_unknown'
  | 'malformed'
  | 'secret'
  | 'tool_rule'
  | 'tool_default'
  | 'tool_rules_unknown';

/** What is said to an event, and what is put on record of it. No part of a prompt, input or result is in it. */
export interface HookDecision {
  readonly ruling: Ruling;
  readonly decision: 'allow' | 'deny' | 'ask';
  readonly code: HookCode;
  /** The rule that decided, from 0. */
  readonly rule: number | undefined;
  readonly detail: string;
}

/** Whether tool rules have a say in an event. */
export function needsRules(event: HookEvent): boolean {
  return event.name === 'PreToolUse' || event.name === 'PermissionRequest';
}

/** Decides about an event. Starts from no: the run must be live, nothing that is handed on may hold a secret, and the tool
 *  rules must let the tool be used. */
export function decideHook(event: HookEvent, { standing, rules }: HookFacts): HookDecision {
  if (standing.kind !== 'live') {
    const code = standing.kind === 'ended' ? 'run_ended' : 'run_unknown';
    return denied(code, standing.detail);
  }
  const found = secretIn(handedOn(event));
  if (found !== undefined) return denied('secret', `${PLACES[event.name]} holds a secret (${found})`);
  if (event.name !== 'PreToolUse' && event.name !== 'PermissionRequest') {
    return {
      ruling: { verdict: 'silent' },
      decision: 'allow',
      code: 'run_live',
      rule: undefined,
      detail: 'the run is live',
    };
  }
  if (rules?.kind !== 'read') {
    return denied('tool_rules_unknown', `the tool rules cannot be read: ${rules?.detail ?? 'nobody asked for them'}`);
  }
  return decideByRules(event, rules.rules);
}

/** The decision about an event that is none. */
export function malformedEvent(): HookDecision {
  return denied('malformed', 'the event lacks what it must have, or is not one that the guard knows');
}

function decideByRules(
  event: HookEvent & { readonly tool: string; readonly input: unknown },
  rules: ToolRules,
): HookDecision {
  const { verdict, rule, reason } = decideTool(rules, { tool: event.tool, input: event.input });
  const code = rule === undefined ? 'tool_default' : 'tool_rule';
  switch (verdict) {
    case 'deny':
      return { ...denied(code, reason), rule };
    case 'allow': {
      // A default is no rule that speaks for this tool: whether to ask stays the agent's own affair.
      const speaks = event.name === 'PermissionRequest' && rule !== undefined;
      return { ruling: { verdict: speaks ? 'allow' : 'silent' }, decision: 'allow', code, rule, detail: reason };
    }
    case 'ask':
      if (event.name === 'PermissionRequest') {
        return { ruling: { verdict: 'silent' }, decision: 'ask', code, rule, detail: reason };
      }
      return { ...denied(code, `${reason}. Nobody can be asked before a tool runs, so it is denied`), rule };
  }
}

const PLACES: Record<HookEvent['name'], string> = {
  SessionStart: 'the session',
  UserPromptSubmit: 'the prompt',
  PreToolUse: 'the input of the tool',
  PermissionRequest: 'the input of the tool',
  PostToolUse: 'the result of the tool',
  Stop: 'the session',
};

/** What an event hands on: to the model, to a tool. */
function handedOn(event: HookEvent): unknown {
  switch (event.name) {
    case 'SessionStart':
    case 'Stop':
      return undefined;
    case 'UserPromptSubmit':
      return event.prompt;
    case 'PreToolUse':
    case 'PermissionRequest':
      return event.input;
    case 'PostToolUse':
      return event.response;
  }
}

function denied(code: HookCode, detail: string): HookDecision {
  return { ruling: denial(detail), decision: 'deny', code, rule: undefined, detail };
}
