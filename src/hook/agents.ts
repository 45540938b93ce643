import { dirname, join } from 'node:path';

/** The agents whose hooks are set up. */
export const AGENTS = ['codex', 'claude'] as const;
export type Agent = (typeof AGENTS)[number];

/** Whose hooks they are: a person's, a checkout's, or the machine's, which nobody but its owner can turn off. */
export const HOOK_SCOPES = ['user', 'project', 'managed'] as const;
export type HookScope = (typeof HOOK_SCOPES)[number];

/** What an agent is called by people. */
export const AGENT_NAMES: Record<Agent, string> = { codex: 'Codex', claude: 'Claude Code' };

/** Where somebody is. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly directory: string;
  readonly platform: string;
}

const CODEX_MANAGED = '/etc/codex/requirements.toml';
const CLAUDE_MANAGED = '/etc/claude-code/managed-settings.json';
const CLAUDE_MANAGED_MACOS = '/Library/Application Support/ClaudeCode/managed-settings.json';

/** The file in which an agent looks for hooks of a scope. */
export function hooksFile(agent: Agent, scope: HookScope, { env, home, directory, platform }: Surroundings): string {
  switch (agent) {
    case 'codex':
      if (scope === 'managed') return CODEX_MANAGED;
      return scope === 'user'
        ? join(env['CODEX_HOME'] || join(home, '.codex'), 'hooks.json')
        : join(directory, '.codex', 'hooks.json');
    case 'claude':
      if (scope === 'managed') return platform === 'darwin' ? CLAUDE_MANAGED_MACOS : CLAUDE_MANAGED;
      return scope === 'user'
        ? join(env['CLAUDE_CONFIG_DIR'] || join(home, '.claude'), 'settings.json')
        : join(directory, '.claude', 'settings.json');
  }
}

/** The directory that Codex must be able to find before it runs managed hooks: it skips them without. */
export function managedDirectory(requirements: string): string {
  return join(dirname(requirements), 'hooks');
}
