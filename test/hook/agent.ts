import { spawn } from 'node:child_process';
import { z } from 'zod';
import type { HookEventName } from '../../src/hook/event-name.js';

// An agent's side of hooks, written from what Codex and Claude Code document: how they run a hook's command and what they
// make of what it did. It is no friend of the hook: whatever it cannot read completely is a failed hook, and after a
// failed hook the agent goes on.

/** What a hook's process did. `fault` is why the agent counts it as failed before it looks at any output. */
export interface HookRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly fault: string | undefined;
}

/** What the agent does after a hook: `stopped` ends or refuses what was under way, `allowed` saves asking a person,
 *  `went_on` is what happens without any hook, `failed` is the same with a warning. */
export type Effect = 'stopped' | 'allowed' | 'went_on' | 'failed';

const text = z.string().trim().min(1);
const common = {
  continue: z.boolean().optional(),
  stopReason: z.string().optional(),
  suppressOutput: z.boolean().optional(),
  systemMessage: z.string().optional(),
};
const onTools = { systemMessage: common.systemMessage, continue: z.literal(true).optional() };
const blocking = { ...common, decision: z.literal('block').optional(), reason: z.string().optional() };
const context = (name: HookEventName) =>
  z.strictObject({ hookEventName: z.literal(name), additionalContext: z.string().optional() }).optional();

/** The documented outputs: strict, and without what the agents call unsupported. */
export const OUTPUTS = {
  SessionStart: z.strictObject({ ...common, hookSpecificOutput: context('SessionStart') }),
  UserPromptSubmit: z.strictObject({ ...blocking, hookSpecificOutput: context('UserPromptSubmit') }),
  PreToolUse: z.strictObject({
    ...onTools,
    hookSpecificOutput: z.strictObject({
      hookEventName: z.literal('PreToolUse'),
      permissionDecision: z.literal('deny'),
      permissionDecisionReason: text,
    }),
  }),
  PermissionRequest: z.strictObject({
    ...onTools,
    hookSpecificOutput: z.strictObject({
      hookEventName: z.literal('PermissionRequest'),
      decision: z.discriminatedUnion('behavior', [
        z.strictObject({ behavior: z.literal('allow') }),
        z.strictObject({ behavior: z.literal('deny'), message: text }),
      ]),
    }),
  }),
  PostToolUse: z.strictObject({
    ...blocking,
    suppressOutput: z.undefined().optional(),
    hookSpecificOutput: context('PostToolUse'),
  }),
  Stop: z.strictObject(blocking),
} as const;

/** Runs a hook's command as Codex does: by the login shell, all of the event on standard input or the hook has failed,
 *  all of its output awaited, killed at its limit. */
export function runHookCommand(
  command: string,
  input: string | Buffer,
  { env, limitMs = 30_000, isLogin = true }: { env: NodeJS.ProcessEnv; limitMs?: number; isLogin?: boolean },
): Promise<HookRun> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', [isLogin ? '-lc' : '-c', command], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: 'pipe',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let fault: string | undefined;
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    child.on('error', (error) => {
      fault = error.message;
    });
    child.stdin.on('error', () => {
      fault = 'the event could not be written';
    });
    const limit = setTimeout(() => {
      fault = 'the hook took too long';
      child.kill('SIGKILL');
    }, limitMs);
    child.stdin.end(input);
    child.once('close', (code) => {
      clearTimeout(limit);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString(), fault });
    });
  });
}

/** What the agent makes of a hook's run. */
export function effectOf(event: HookEventName, run: HookRun): Effect {
  if (run.fault !== undefined) return 'failed';
  if (run.code === 2) return run.stderr.trim() === '' ? 'failed' : effectOfExitTwo(event);
  if (run.code !== 0) return 'failed';
  const output = run.stdout.trim();
  if (output === '') return 'went_on';
  // Text that does not look like JSON is context for the model at the start and at a prompt, and noise elsewhere.
  if (!/^[{[]/.test(output)) return event === 'Stop' ? 'failed' : 'went_on';
  return effectOfOutput(event, parsed(output));
}

function effectOfExitTwo(event: HookEventName): Effect {
  return event === 'SessionStart' || event === 'Stop' ? 'went_on' : 'stopped';
}

function effectOfOutput(event: HookEventName, output: unknown): Effect {
  switch (event) {
    case 'SessionStart':
      return stopsAt(OUTPUTS.SessionStart.safeParse(output));
    case 'Stop':
      return stopsAt(OUTPUTS.Stop.safeParse(output));
    case 'UserPromptSubmit':
      return blocks(OUTPUTS.UserPromptSubmit.safeParse(output));
    case 'PostToolUse':
      return blocks(OUTPUTS.PostToolUse.safeParse(output));
    case 'PreToolUse':
      return OUTPUTS.PreToolUse.safeParse(output).success ? 'stopped' : 'failed';
    case 'PermissionRequest': {
      const read = OUTPUTS.PermissionRequest.safeParse(output);
      if (!read.success) return 'failed';
      return read.data.hookSpecificOutput.decision.behavior === 'allow' ? 'allowed' : 'stopped';
    }
  }
}

function stopsAt(read: z.ZodSafeParseResult<{ continue?: boolean | undefined }>): Effect {
  if (!read.success) return 'failed';
  return read.data.continue === false ? 'stopped' : 'went_on';
}

type Blocking = { continue?: boolean | undefined; decision?: 'block' | undefined; reason?: string | undefined };

function blocks(read: z.ZodSafeParseResult<Blocking>): Effect {
  if (!read.success) return 'failed';
  if (read.data.continue === false) return 'stopped';
  if (read.data.decision === undefined) return 'went_on';
  return read.data.reason?.trim() ? 'stopped' : 'failed';
}

function parsed(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}
