import type { Command } from 'commander';
import { addCommand, addGroup, exitsWith } from './command.js';
import type { SessionListFlags } from './sessions.js';

/** The sessions of people who signed in on the pages of the service. */
export function addSessionCommands(program: Command): void {
  const session = addGroup(program, 'session', 'see and end the sessions of people in a browser');

  addCommand(
    session,
    'list',
    'list your sessions, newest first',
    'countersign session list\ncountersign session list --member grace@acme.example --all',
  )
    .option('--member <member>', 'of another member, by id or e-mail address')
    .option('--all', 'those that ended too, for 30 days')
    .action(exitsWith(async (flags: SessionListFlags) => (await import('./sessions.js')).listSessions(flags)));

  addCommand(
    session,
    'end <id>',
    'end a session, and revoke the tokens that were approved in it',
    'countersign session end ses_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, flags: { json?: true }) => (await import('./sessions.js')).endSession(id, flags)),
  );
}
