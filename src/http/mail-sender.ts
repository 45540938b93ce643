import { printId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { mailSubject, mailText } from '../rules/mail-text.js';
import { retryAfter } from '../rules/webhook.js';
import type { Db } from '../store/database.js';
import { type ClaimedMail, claimMails, type MailOutcome, settleMail } from '../store/mails.js';
import type { Log } from './log.js';
import { MAILS_AT_ONCE, type MailAnswer, type MailTransport } from './mail-transport.js';
import { createSender, type Sender } from './sender.js';

export interface MailSenderOptions {
  readonly db: () => Db;
  readonly transport: MailTransport;
  /** Where the service is. Read when it is needed. */
  readonly issuer: () => string;
  readonly log: Log;
  readonly now: () => Date;
  /** From 0 to 1 (default `Math.random`). */
  readonly random?: () => number;
  readonly counted?: (outcome: MailOutcome['kind']) => void;
}

/** Makes what sends mails. */
export function createMailSender(options: MailSenderOptions): Sender {
  return createSender<ClaimedMail>({
    atOnce: MAILS_AT_ONCE,
    claim: (limit, underWay) => {
      const busy = underWay.map(({ mail }) => mail.recipient.toLowerCase());
      return claimMails(options.db(), { limit, busy }, options.now());
    },
    send: (claimed) => sendOne(options, claimed),
    log: options.log,
    waits: 'mails wait; trying again',
  });
}

async function sendOne(options: MailSenderOptions, { mail, isGone }: ClaimedMail): Promise<void> {
  const { db, transport, issuer, log, now } = options;
  if (isGone) {
    await settleMail(db(), mail, { kind: 'refused', fault: 'the member is not with the workspace any more' });
    return;
  }
  const delivery = printId('dlv', mail.id);
  const answer = await transport.send({
    to: mail.recipient,
    subject: mailSubject(mail.payload),
    text: mailText(mail.payload, issuer()),
    messageId: `<${delivery}@${new URL(issuer()).hostname}>`,
    date: new Date(mail.payload.timestamp),
  });
  if (!answer.ok) {
    log.info({ delivery, attempt: mail.attempts, reason: answer.reason }, 'a mail was not taken');
  }
  const outcome = outcomeOf(answer, () => {
    const seconds = retryAfter(mail.attempts, (options.random ?? Math.random)());
    return seconds === undefined ? undefined : addSeconds(now(), seconds);
  });
  await settleMail(db(), mail, outcome);
  options.counted?.(outcome.kind);
}

function outcomeOf(answer: MailAnswer, retryAt: () => Date | undefined): MailOutcome {
  if (answer.ok) return { kind: 'delivered' };
  const { fault } = answer;
  return answer.isFinal ? { kind: 'refused', fault } : { kind: 'failed', fault, retryAt: retryAt() };
}
