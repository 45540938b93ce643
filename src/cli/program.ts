import type { Command } from 'commander';
import { VERSION } from '../version.js';
import { addAuditCommands } from './audit-commands.js';
import { addAuthCommands } from './auth-commands.js';
import { chooseWorkspace } from './chosen-workspace.js';
import { createRoot } from './command.js';
import { addExecCheckCommands } from './exec-check-commands.js';
import { addHookCommands } from './hook-commands.js';
import { addHostCommands } from './host-commands.js';
import { addIncidentCommands } from './incident-commands.js';
import { addMailCommands } from './mail-commands.js';
import { addMemberCommands } from './member-commands.js';
import { addPasskeyCommands } from './passkey-commands.js';
import { addPolicyCommands } from './policy-commands.js';
import { addReportCommands } from './report-commands.js';
import { addRotationCommands } from './rotation-commands.js';
import { addCompletionCommand, addRunCommands } from './run-commands.js';
import { addRunnerCommands } from './runner-commands.js';
import { addRunsCommands } from './runs-commands.js';
import { addSessionCommands } from './session-commands.js';
import { addTokenCommands } from './token-commands.js';
import { addTrustRuleCommands } from './trust-rule-commands.js';
import { addWebhookCommands } from './webhook-commands.js';
import { addWorkflowCommands } from './workflow-commands.js';
import { addWorkspaceCommands } from './workspace-commands.js';

/** The table of commands. */
export function createProgram(): Command {
  const program = createRoot('countersign')
    .description('Access tokens for coding agents in CI: scoped, expiring, revoked at once.')
    .version(VERSION)
    .option('--workspace <slug>', 'use the stored login for this workspace')
    .hook('preAction', (root) => chooseWorkspace(root.opts<{ workspace?: string }>().workspace))
    .addHelpText(
      'after',
      `
To begin with, in one terminal and then in another:
  countersign serve
  countersign auth login --with-token < .countersign/owner.token
  countersign workflow set codex-review --allow-scope 'repo:*' codex:exec
  (umask 077; countersign token mint --workflow codex-review --scope codex:exec > agent.token)
  COUNTERSIGN_TOKEN_FILE=agent.token countersign exec --workflow codex-review --scope codex:exec -- echo it runs

Environment:
  COUNTERSIGN_URL          the service (default: the stored login's, else http://127.0.0.1:8787)
  COUNTERSIGN_TOKEN        the token to use; COUNTERSIGN_TOKEN_FILE names a file instead
  COUNTERSIGN_ID_TOKEN     what a platform gave a job to be exchanged for a token; COUNTERSIGN_ID_TOKEN_FILE names a file
  COUNTERSIGN_WORKSPACE    the workspace whose stored login to use (default: that of the last login)
  COUNTERSIGN_RUNNER_FILE  what this host proves itself with, if it is a trusted runner

Exit codes: 0 done, 1 the answer is no, 2 usage, 69 out of reach, 77 refused.`,
    );
  program.commandsGroup('Who you are:');
  addAuthCommands(program);
  addSessionCommands(program);
  addPasskeyCommands(program);
  program.commandsGroup('Who may do what:');
  addTokenCommands(program);
  addRotationCommands(program);
  addWorkflowCommands(program);
  addTrustRuleCommands(program);
  addPolicyCommands(program);
  addMemberCommands(program);
  addRunnerCommands(program);
  program.commandsGroup('Jobs, and what is on record:');
  addRunCommands(program);
  addHookCommands(program);
  addExecCheckCommands(program);
  addRunsCommands(program);
  addAuditCommands(program);
  addReportCommands(program);
  addIncidentCommands(program);
  addWebhookCommands(program);
  addMailCommands(program);
  program.commandsGroup('On the machine of the service:');
  addHostCommands(program);
  addWorkspaceCommands(program);
  program.commandsGroup('This command:');
  addCompletionCommand(program);
  program.helpCommand(true);
  return program;
}
