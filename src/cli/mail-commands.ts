import { type Command, Option } from 'commander';
import { DELIVERY_STATUSES } from '../rules/webhook.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { MailListFlags } from './mails.js';

const MAX_LISTED = 1_000_000;

/** What was sent by e-mail. */
export function addMailCommands(program: Command): void {
  const mail = addGroup(program, 'mail', 'see what was sent by e-mail: notices of expiry and incidents');

  addCommand(mail, 'list', 'list the mails of 30 days, newest first', 'countersign mail list --status dead')
    .addOption(new Option('--status <status>', 'only those that stand so').choices(DELIVERY_STATUSES))
    .option('--limit <number>', 'no more than so many', wholeNumber(1, MAX_LISTED))
    .addHelpText(
      'after',
      '\nWho is told: the owner of a token, and the contacts of its workflow (countersign workflow set --contact).',
    )
    .action(exitsWith(async (flags: MailListFlags) => (await import('./mails.js')).listMails(flags)));

  addCommand(
    mail,
    'replay <id>',
    'send a mail that is over once more',
    'countersign mail replay dlv_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(exitsWith(async (id: string, flags: { json?: true }) => (await import('./mails.js')).replayMail(id, flags)));
}
