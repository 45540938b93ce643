import { type DeliveryStatus, everyPage, type MailDelivery } from '../sdk/index.js';
import { collect, signedInClient } from './client.js';
import { relativeTime } from './instant.js';
import { outputView, print, printJson, say } from './output.js';
import { type Column, renderTable } from './table.js';
import { DELIVERY_COLOURS } from './webhooks.js';

export interface MailListFlags {
  status?: DeliveryStatus;
  limit?: number;
  json?: true;
}

/** `mail list`. */
export async function listMails(flags: MailListFlags): Promise<number> {
  const client = await signedInClient();
  const query = { status: flags.status, limit: Math.min(flags.limit ?? 200, 200) };
  const pages = everyPage((cursor) => client.mails.list({ ...query, cursor }));
  const mails = await collect(pages, flags.limit);
  if (flags.json) printJson({ data: mails });
  else if (mails.length === 0) say('No mails match.');
  else for (const line of renderTable(mailColumns(new Date()), mails, outputView())) print(line);
  return 0;
}

/** `mail replay`. */
export async function replayMail(id: string, flags: { json?: true }): Promise<number> {
  const mail = await (await signedInClient()).mails.replay(id);
  if (flags.json) printJson(mail);
  else say(`${mail.id} is on its way to ${mail.recipient} again.`);
  return 0;
}

function mailColumns(now: Date): Column<MailDelivery>[] {
  return [
    { title: 'ID', value: ({ id }) => id, isWhole: true },
    { title: 'TO', value: ({ recipient }) => recipient },
    { title: 'SUBJECT', value: ({ subject }) => subject },
    { title: 'STATUS', value: ({ status }) => status, colour: ({ status }) => DELIVERY_COLOURS[status], isWhole: true },
    { title: 'MADE', value: (one) => one.created_at, shown: (one) => relativeTime(one.created_at, now) },
    { title: 'FAULT', value: (one) => one.last_fault ?? '' },
  ];
}
