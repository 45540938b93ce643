import { type Delivery, type DeliveryStatus, everyPage, type Webhook } from '../sdk/index.js';
import { webhookRequest } from '../wire/webhooks.js';
import { collect, signedInClient } from './client.js';
import { relativeTime, timeIn } from './instant.js';
import { type Colour, outputView, print, printJson, say } from './output.js';
import { printable } from './printable.js';
import { readSecret } from './stdin.js';
import { type Column, renderDetails, renderTable } from './table.js';
import { UsageError } from './usage-error.js';

export interface WebhookAddFlags {
  event: string[];
  form: 'standard' | 'slack';
  description?: string;
  json?: true;
}

export interface DeliveryListFlags {
  status?: DeliveryStatus;
  limit?: number;
  json?: true;
}

interface JsonFlag {
  json?: true;
}

const COLUMNS: Column<Webhook>[] = [
  { title: 'ID', value: ({ id }) => id, isWhole: true },
  { title: 'URL', value: ({ url }) => url },
  { title: 'FORM', value: ({ form }) => form },
  { title: 'EVENTS', value: ({ events }) => events.join(' ') },
  { title: 'STATE', value: stateOf, colour: (one) => (one.disabled_at === null ? 'green' : 'red'), isWhole: true },
  { title: 'FOR', value: ({ description }) => description, isSpare: true },
];

const SLACK_HINT = 'countersign webhook add - --form slack --event token.expiring < slack.url';

/** In which colour a table shows where a message stands. */
export const DELIVERY_COLOURS: Record<DeliveryStatus, Colour> = { pending: 'yellow', delivered: 'green', dead: 'red' };

/** `webhook list`. */
export async function listWebhooks(flags: JsonFlag): Promise<number> {
  const client = await signedInClient();
  const pages = everyPage((cursor) => client.webhooks.list({ cursor, limit: 200 }));
  const webhooks = await collect(pages, undefined);
  if (flags.json) printJson({ data: webhooks });
  else if (webhooks.length === 0) say('There are no webhooks. `countersign webhook add --help` shows how to add one.');
  else for (const line of renderTable(COLUMNS, webhooks, outputView())) print(line);
  return 0;
}

/** `webhook add`: its secret alone on standard output, so that it pipes into a secret store. */
export async function addWebhook(url: string, flags: WebhookAddFlags): Promise<number> {
  if (url !== '-' && flags.form === 'slack') {
    throw new UsageError(
      `the address of a slack webhook is a secret: give - and pipe it in. For example: ${SLACK_HINT}`,
    );
  }
  const read = url === '-' ? await readSecret('the address', SLACK_HINT) : url;
  const asked = { url: read, events: flags.event, form: flags.form, description: flags.description };
  const request = webhookRequest.safeParse(asked);
  if (!request.success) throw new UsageError('that is no webhook: see `countersign webhook add --help` for its events');
  const added = await (await signedInClient()).webhooks.add(request.data);
  if (flags.json) {
    printJson(added);
    return 0;
  }
  if (added.secret !== null) print(added.secret);
  say(`${added.id} is added. Try it: countersign webhook test ${added.id}`);
  return 0;
}

/** `webhook show`. */
export async function showWebhook(id: string, flags: JsonFlag): Promise<number> {
  printWebhook(await (await signedInClient()).webhooks.show(id), flags);
  return 0;
}

/** Prints a webhook: line by line, or as JSON. */
export function printWebhook(webhook: Webhook, flags: JsonFlag): void {
  if (flags.json) {
    printJson(webhook);
    return;
  }
  const view = outputView();
  const lines = renderDetails(
    [
      ['id', webhook.id],
      ['url', webhook.url],
      ['form', webhook.form],
      ['events', webhook.events.join(' ')],
      ['for', webhook.description === '' ? undefined : webhook.description],
      ['state', stateOf(webhook)],
      ['added', timeIn(view, webhook.created_at, new Date())],
      ['added by', webhook.created_by],
    ],
    view,
  );
  for (const line of lines) print(line);
}

/** `webhook remove`. */
export async function removeWebhook(id: string, flags: JsonFlag): Promise<number> {
  await (await signedInClient()).webhooks.remove(id);
  if (flags.json) printJson({ id, removed: true });
  else say(`${printable(id)} is removed.`);
  return 0;
}

/** `webhook test`. */
export async function testWebhook(id: string, flags: JsonFlag): Promise<number> {
  const sent = await (await signedInClient()).webhooks.test(id);
  if (flags.json) printJson(sent);
  else say(`${sent.delivery_id} is on its way. What became of it: countersign webhook deliveries ${printable(id)}`);
  return 0;
}

/** `webhook deliveries`. */
export async function listDeliveries(id: string, flags: DeliveryListFlags): Promise<number> {
  const client = await signedInClient();
  const query = { status: flags.status, limit: Math.min(flags.limit ?? 200, 200) };
  const pages = everyPage((cursor) => client.webhooks.deliveries(id, { ...query, cursor }));
  const deliveries = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: deliveries });
  else if (deliveries.length === 0) say('No deliveries match.');
  else for (const line of renderTable(deliveryColumns(new Date()), deliveries, outputView())) print(line);
  return 0;
}

/** `webhook replay`. */
export async function replayDelivery(id: string, deliveryId: string, flags: JsonFlag): Promise<number> {
  const delivery = await (await signedInClient()).webhooks.replay(id, deliveryId);
  if (flags.json) printJson(delivery);
  else say(`${delivery.id} is on its way again.`);
  return 0;
}

function stateOf({ disabled_at }: Webhook): string {
  return disabled_at === null ? 'enabled' : 'disabled';
}

function deliveryColumns(now: Date): Column<Delivery>[] {
  return [
    { title: 'ID', value: ({ id }) => id, isWhole: true },
    { title: 'EVENT', value: ({ event }) => event },
    { title: 'STATUS', value: ({ status }) => status, colour: ({ status }) => DELIVERY_COLOURS[status], isWhole: true },
    { title: 'ATTEMPTS', value: ({ attempts }) => String(attempts) },
    {
      title: 'MADE',
      value: (one) => one.created_at,
      shown: (one) => relativeTime(one.created_at, now),
    },
    {
      title: 'NEXT',
      value: (one) => one.next_attempt_at ?? '',
      shown: (one) => (one.next_attempt_at === null ? '' : relativeTime(one.next_attempt_at, now)),
    },
    { title: 'FAULT', value: (one) => one.last_fault ?? '' },
  ];
}
