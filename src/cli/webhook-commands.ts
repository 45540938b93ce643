import { type Command, Option } from 'commander';
import { DELIVERY_STATUSES, WEBHOOK_EVENTS, WEBHOOK_FORMS } from '../rules/webhook.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { WebhookSetFlags } from './webhook-change.js';
import type { DeliveryListFlags, WebhookAddFlags } from './webhooks.js';

interface JsonFlag {
  json?: true;
}

const MAX_LISTED = 1_000_000;

/** Where the workspace is told of what happens. */
export function addWebhookCommands(program: Command): void {
  const webhook = addGroup(program, 'webhook', 'be told of what happens, by signed messages to an address of yours');

  addCommand(webhook, 'list', 'list webhooks', 'countersign webhook list').action(
    exitsWith(async (flags: JsonFlag) => (await import('./webhooks.js')).listWebhooks(flags)),
  );

  addCommand(
    webhook,
    'add <url>',
    'add a webhook; with --json its secret is in the answer, else it is printed alone',
    `(umask 077; countersign webhook add https://hooks.acme.example/in --event token.expiring token.revoked > hook.secret)
countersign webhook add - --form slack --event token.expiring < slack.url`,
  )
    .requiredOption('--event <event...>', `what it is told of: ${WEBHOOK_EVENTS.join(', ')}`)
    .addOption(new Option('--form <form>', 'how it is told').choices(WEBHOOK_FORMS).default('standard'))
    .option('--description <text>', 'what it is for')
    .addHelpText('after', '\nThe address of a slack webhook is a secret: give - to have it read from standard input.')
    .action(
      exitsWith(async (url: string, flags: WebhookAddFlags) => (await import('./webhooks.js')).addWebhook(url, flags)),
    );

  addCommand(webhook, 'show <id>', 'show a webhook', 'countersign webhook show whk_01KfUXmCbVYz8sQ2dW3nRk').action(
    exitsWith(async (id: string, flags: JsonFlag) => (await import('./webhooks.js')).showWebhook(id, flags)),
  );

  addChangeCommands(webhook);

  addCommand(
    webhook,
    'remove <id>',
    'remove a webhook and what is on its way there',
    'countersign webhook remove whk_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(exitsWith(async (id: string, flags: JsonFlag) => (await import('./webhooks.js')).removeWebhook(id, flags)));

  addCommand(
    webhook,
    'test <id>',
    'send a webhook a message that says nothing',
    'countersign webhook test whk_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(exitsWith(async (id: string, flags: JsonFlag) => (await import('./webhooks.js')).testWebhook(id, flags)));

  addCommand(
    webhook,
    'deliveries <id>',
    'list what a webhook was sent within 30 days, newest first',
    'countersign webhook deliveries whk_01KfUXmCbVYz8sQ2dW3nRk --status dead',
  )
    .addOption(new Option('--status <status>', 'only those that stand so').choices(DELIVERY_STATUSES))
    .option('--limit <number>', 'no more than so many', wholeNumber(1, MAX_LISTED))
    .action(
      exitsWith(async (id: string, flags: DeliveryListFlags) =>
        (await import('./webhooks.js')).listDeliveries(id, flags),
      ),
    );

  addCommand(
    webhook,
    'replay <id> <delivery>',
    'send a delivery that is over once more',
    'countersign webhook replay whk_01KfUXmCbVYz8sQ2dW3nRk dlv_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, delivery: string, flags: JsonFlag) =>
      (await import('./webhooks.js')).replayDelivery(id, delivery, flags),
    ),
  );
}

function addChangeCommands(webhook: Command): void {
  addCommand(
    webhook,
    'set <id>',
    'change what is named of a webhook, and keep the rest',
    'countersign webhook set whk_01KfUXmCbVYz8sQ2dW3nRk --event token.expiring incident.opened',
  )
    .option('--event <event...>', `what it is told of, in the place of what it was: ${WEBHOOK_EVENTS.join(', ')}`)
    .option('--url <url>', 'where to; - has it read from standard input')
    .option('--description <text>', 'what it is for')
    .action(
      exitsWith(async (id: string, flags: WebhookSetFlags) =>
        (await import('./webhook-change.js')).setWebhook(id, flags),
      ),
    );

  addCommand(
    webhook,
    'enable <id>',
    'tell a webhook again that was disabled, by a person or because its host said 410 Gone',
    'countersign webhook enable whk_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, flags: JsonFlag) => (await import('./webhook-change.js')).enableWebhook(id, flags)),
  );

  addCommand(
    webhook,
    'disable <id>',
    'tell a webhook nothing more; what is on its way is dead',
    'countersign webhook disable whk_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, flags: JsonFlag) => (await import('./webhook-change.js')).disableWebhook(id, flags)),
  );

  addCommand(
    webhook,
    'rotate-secret <id>',
    'give a webhook a new secret, which is printed alone; for a day the old one signs too',
    '(umask 077; countersign webhook rotate-secret whk_01KfUXmCbVYz8sQ2dW3nRk > hook.secret)',
  ).action(
    exitsWith(async (id: string, flags: JsonFlag) =>
      (await import('./webhook-change.js')).rotateWebhookSecret(id, flags),
    ),
  );
}
