import type { HookEventName } from '../../src/hook/event-name.js';

const COMMON = {
  session_id: '0198c0de-0000-7000-8000-000000000001',
  transcript_path: null,
  cwd: '/srv/checkout',
  model: 'gpt-5-codex',
  permission_mode: 'default',
};
const TURN = { ...COMMON, turn_id: 'turn-1' };
const TOOL = { tool_name: 'Bash', tool_input: { command: 'npm test' } };

const EVENTS: Record<HookEventName, Record<string, unknown>> = {
  SessionStart: { ...COMMON, source: 'startup' },
  UserPromptSubmit: { ...TURN, prompt: 'run the tests' },
  PreToolUse: { ...TURN, ...TOOL, tool_use_id: 'call-1' },
  PermissionRequest: { ...TURN, ...TOOL, tool_input: { command: 'npm test', description: 'runs the tests' } },
  PostToolUse: { ...TURN, ...TOOL, tool_use_id: 'call-1', tool_response: { output: 'ok', exit_code: 0 } },
  Stop: { ...TURN, stop_hook_active: false, last_assistant_message: null },
};

/** An event as an agent gives it to a hook, with any member replaced; `undefined` leaves it out. */
export function eventOf(name: HookEventName, over: Record<string, unknown> = {}): Record<string, unknown> {
  const whole = { hook_event_name: name, ...EVENTS[name], ...over };
  return Object.fromEntries(Object.entries(whole).filter(([, value]) => value !== undefined));
}

/** The same as the text on standard input. */
export function eventText(name: HookEventName, over: Record<string, unknown> = {}): string {
  return JSON.stringify(eventOf(name, over));
}
