import type { Command } from 'commander';
import { VERSION } from '../version.js';
import { addAuditCommands } from './audit-commands.js';
import { addAuthCommands } from './auth-commands.js';
import { createRoot } from './command.js';
import { addExecCheckCommands } from './exec-check-commands.js';
import { addHostCommands } from './host-commands.js';
import { addMemberCommands } from './member-commands.js';
import { addRunCommands } from './run-commands.js';
import { addTokenCommands } from './token-commands.js';
import { addWorkflowCommands } from './workflow-commands.js';

/** The table of commands. */
export function createProgram(): Command {
  const program = createRoot('countersign')
    .description('Access tokens for coding agents in CI: scoped, expiring, revoked at once.')
    .version(VERSION)
    .addHelpText(
      'after',
      `
Environment:
  COUNTERSIGN_URL          the service (default: the stored login's, else http://127.0.0.1:8787)
  COUNTERSIGN_TOKEN        the token to use; COUNTERSIGN_TOKEN_FILE names a file instead

Exit codes: 0 done, 1 the answer is no, 2 usage, 69 out of reach, 77 refused.`,
    );
  addAuthCommands(program);
  addTokenCommands(program);
  addWorkflowCommands(program);
  addMemberCommands(program);
  addRunCommands(program);
  addExecCheckCommands(program);
  addAuditCommands(program);
  addHostCommands(program);
  return program;
}
