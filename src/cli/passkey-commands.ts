import type { Command } from 'commander';
import { addCommand, addGroup, exitsWith } from './command.js';

type Flags = { json?: true };

/** Keys that a person signs in with on the pages, and confirms dangerous acts with. */
export function addPasskeyCommands(program: Command): void {
  const passkey = addGroup(program, 'passkey', 'add, see and remove the keys that you sign in and confirm with');

  addCommand(
    passkey,
    'add',
    'show a link that adds a passkey in a browser, once',
    'countersign passkey add --name laptop',
  )
    .option('--name <name>', 'what it is called (default: passkey)')
    .addHelpText(
      'after',
      `
From then on you can sign in with it on the service's pages, and what is dangerous (a panic revocation, a change of owners or
admins, trust rules, the policy, tokens that may do the same) asks for it: on a terminal the command shows where, and waits.`,
    )
    .action(exitsWith(async (flags: Flags & { name?: string }) => (await import('./passkeys.js')).addPasskey(flags)));

  addCommand(
    passkey,
    'list',
    'list your passkeys, oldest first',
    'countersign passkey list\ncountersign passkey list --member grace@acme.example',
  )
    .option('--member <member>', 'of another member, by id or e-mail address')
    .action(
      exitsWith(async (flags: Flags & { member?: string }) => (await import('./passkeys.js')).listPasskeys(flags)),
    );

  addCommand(
    passkey,
    'remove <id>',
    'remove a passkey, of yours or of a member whom you manage',
    'countersign passkey remove pky_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(exitsWith(async (id: string, flags: Flags) => (await import('./passkeys.js')).removePasskey(id, flags)));
}
