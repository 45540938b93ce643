import { z } from 'zod';

/** What an agent is about to do, did, or was told. Only what decides is in it. */
export type HookEvent =
  | { readonly name: 'SessionStart' | 'Stop' }
  | { readonly name: 'UserPromptSubmit'; readonly prompt: string }
  | { readonly name: 'PreToolUse' | 'PermissionRequest'; readonly tool: string; readonly input: unknown }
  | { readonly name: 'PostToolUse'; readonly tool: string; readonly input: unknown; readonly response: unknown };

const MOST_TOOL_NAME_LENGTH = 512;

// What is needed must be there, in its form; what else an agent says is its own affair and grows with its versions.
const common = { session_id: z.string().min(1) };
const present = z.custom<unknown>((value) => value !== undefined);
const tool = { ...common, tool_name: z.string().min(1).max(MOST_TOOL_NAME_LENGTH), tool_input: present };

const hookEvent = z.discriminatedUnion('hook_event_name', [
  z.object({ hook_event_name: z.literal('SessionStart'), ...common }),
  z.object({ hook_event_name: z.literal('UserPromptSubmit'), ...common, prompt: z.string() }),
  z.object({ hook_event_name: z.literal('PreToolUse'), ...tool }),
  z.object({ hook_event_name: z.literal('PermissionRequest'), ...tool }),
  z.object({ hook_event_name: z.literal('PostToolUse'), ...tool, tool_response: present }),
  z.object({ hook_event_name: z.literal('Stop'), ...common }),
]);

/** Reads an event as Codex and Claude Code give it on standard input. Gives `undefined` for anything else. */
export function parseHookEvent(value: unknown): HookEvent | undefined {
  const { data } = hookEvent.safeParse(value);
  if (data === undefined) return undefined;
  switch (data.hook_event_name) {
    case 'SessionStart':
    case 'Stop':
      return { name: data.hook_event_name };
    case 'UserPromptSubmit':
      return { name: data.hook_event_name, prompt: data.prompt };
    case 'PreToolUse':
    case 'PermissionRequest':
      return { name: data.hook_event_name, tool: data.tool_name, input: data.tool_input };
    case 'PostToolUse':
      return {
        name: data.hook_event_name,
        tool: data.tool_name,
        input: data.tool_input,
        response: data.tool_response,
      };
  }
}
