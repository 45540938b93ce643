import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { HookEventName } from '../../src/hook/event-name.js';
import { type Effect, effectOf, runHookCommand } from './agent.js';
import { eventText } from './events.js';

// An agent that does one thing with one tool: it reads hooks where real ones do, runs them as those do, and stops for
// nothing but an output that it understands. Run by itself it takes its options as JSON.

export interface AgentOptions {
  /** Its configuration: `hooks.json`, `settings.json` or `requirements.toml`. */
  readonly files: readonly string[];
  readonly prompt?: string;
  readonly tool?: string | undefined;
  readonly input?: unknown;
  /** What its tool does: it makes this file. */
  readonly makes: string;
  /** Whether it asks for permission before a tool. */
  readonly asks?: boolean;
  /** Whether a person would say yes. */
  readonly isGranted?: boolean;
  /** Versions of agents that run no hooks, or do not heed them. */
  readonly isDeaf?: boolean;
  readonly isDefiant?: boolean;
}

const hooksFile = z.object({
  hooks: z.record(
    z.string(),
    z.union([
      z.string(),
      z.array(
        z.object({
          matcher: z.string().optional(),
          hooks: z.array(z.object({ type: z.literal('command'), command: z.string(), timeout: z.int().optional() })),
        }),
      ),
    ]),
  ),
});

/** Reads a file of hooks. Throws when it is none. */
export function readHooks(path: string): z.output<typeof hooksFile>['hooks'] {
  const text = readFileSync(path, 'utf8');
  return hooksFile.parse(path.endsWith('.toml') ? parseToml(text) : JSON.parse(text)).hooks;
}

/** Reads TOML with the parser that a tool of this project brings. */
export function parseToml(text: string): unknown {
  return createRequire(createRequire(import.meta.url).resolve('knip'))
    .call(undefined, 'smol-toml')
    .parse(text);
}

/** Runs the agent, and gives how far it came. */
export async function runAgent(options: AgentOptions, env: NodeJS.ProcessEnv): Promise<string> {
  const fire = (event: HookEventName, over: Record<string, unknown> = {}) => fireHooks(options, event, over, env);
  const { tool = 'Bash', input = { command: 'npm test' } } = options;
  const call = { tool_name: tool, tool_input: input };
  if ((await fire('SessionStart')) === 'stopped') return 'no session';
  if ((await fire('UserPromptSubmit', { prompt: options.prompt ?? 'run the tests' })) === 'stopped') return 'no prompt';
  if (options.tool === '') return 'no tool';
  const before = await fire('PreToolUse', call);
  if (before === 'stopped' && !options.isDefiant) return 'denied';
  if (options.asks) {
    const permission = await fire('PermissionRequest', call);
    if (permission === 'stopped') return 'not permitted';
    if (permission !== 'allowed' && !options.isGranted) return 'not granted';
  }
  writeFileSync(options.makes, 'the tool ran');
  const after = await fire('PostToolUse', { ...call, tool_response: { output: 'the tool ran' } });
  await fire('Stop');
  return after === 'stopped' ? 'withheld' : 'done';
}

/** All hooks of an event, at once; one that stops is enough. */
async function fireHooks(
  { files, isDeaf }: AgentOptions,
  event: HookEventName,
  over: Record<string, unknown>,
  env: NodeJS.ProcessEnv,
): Promise<Effect> {
  if (isDeaf) return 'went_on';
  const groups = files.flatMap((path) => {
    const found = readHooks(path)[event];
    return typeof found === 'object' ? found : [];
  });
  const handlers = groups.flatMap(({ matcher, hooks }) =>
    new RegExp(matcher ?? '').test(String(over['tool_name'] ?? '')) ? hooks : [],
  );
  const effects = await Promise.all(
    handlers.map(async ({ command, timeout = 600 }) =>
      effectOf(event, await runHookCommand(command, eventText(event, over), { env, limitMs: timeout * 1000 })),
    ),
  );
  return effects.find((one) => one === 'stopped') ?? effects.find((one) => one === 'allowed') ?? 'went_on';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const outcome = await runAgent(JSON.parse(process.argv[2] ?? '') as AgentOptions, process.env);
  process.stderr.write(`${outcome}\n`);
}
