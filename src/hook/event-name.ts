/** The events of Codex and Claude Code at which the hook speaks. */
export const HOOK_EVENTS = [
  'SessionStart',
  'UserPromptSubmit',
  'PreToolUse',
  'PermissionRequest',
  'PostToolUse',
  'Stop',
] as const;

export type HookEventName = (typeof HOOK_EVENTS)[number];

/** The event of that name, spelt as agents spell it. */
export function hookEventName(text: unknown): HookEventName | undefined {
  return HOOK_EVENTS.find((name) => name === text);
}
