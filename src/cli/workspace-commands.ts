import type { Command } from 'commander';
import { addCommand, addGroup } from './command.js';
import { onHost } from './host-commands.js';

/** The workspaces of the service, for its operator. */
export function addWorkspaceCommands(program: Command): void {
  const workspace = addGroup(program, 'workspace', 'on the host: list the workspaces of the service, suspend one');

  addCommand(
    workspace,
    'list',
    'list the workspaces of the service, oldest first',
    'countersign workspace list',
  ).action(onHost(async (flags: { json?: true }) => (await import('./workspaces.js')).listAll(flags)));

  addCommand(
    workspace,
    'suspend <slug>',
    'make all tokens of a workspace inactive and stop its jobs, at once',
    'countersign workspace suspend acme',
  ).action(
    onHost(async (slug: string, flags: { json?: true }) => (await import('./workspaces.js')).suspend(slug, flags)),
  );

  addCommand(
    workspace,
    'resume <slug>',
    'let a suspended workspace go on: its tokens are good again',
    'countersign workspace resume acme',
  ).action(
    onHost(async (slug: string, flags: { json?: true }) => (await import('./workspaces.js')).resume(slug, flags)),
  );
}
