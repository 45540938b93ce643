import { printId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { retryAfter, slackText, type WebhookPayload } from '../rules/webhook.js';
import type { Db } from '../store/database.js';
import { type Claimed, claimDeliveries, type Outcome, settleDelivery } from '../store/deliveries.js';
import { secretRotatedAt } from '../store/webhooks.js';
import type { Log } from './log.js';
import type { Outgoing, OutgoingAnswer } from './outgoing.js';
import { createSender, type Sender } from './sender.js';
import type { WebhookSignatures } from './webhook-signatures.js';

export interface SenderOptions {
  readonly db: () => Db;
  readonly outgoing: Outgoing;
  readonly signatures: WebhookSignatures;
  readonly log: Log;
  readonly now: () => Date;
  /** From 0 to 1 (default `Math.random`). */
  readonly random?: () => number;
  readonly counted?: (outcome: Outcome['kind']) => void;
}

/** How many messages are under way at a time, of one process. */
const AT_ONCE = 32;
/** The longest answer that is read, in bytes: what it says is not kept. */
const MAX_ANSWER_BYTES = 65_536;
/** How long a receiver may take, in seconds. */
export const RECEIVER_SECONDS = 10;

/** Makes what sends messages to webhooks. */
export function createWebhookSender(options: SenderOptions): Sender {
  return createSender<Claimed>({
    atOnce: AT_ONCE,
    claim: (limit, underWay) => {
      const busy = [...new Set(underWay.map(({ webhook }) => webhook.id))];
      return claimDeliveries(options.db(), { limit, busy }, options.now());
    },
    send: (claimed) => sendOne(options, claimed),
    log: options.log,
    waits: 'messages to webhooks wait; trying again',
  });
}

async function sendOne(options: SenderOptions, claimed: Claimed): Promise<void> {
  const { delivery, webhook } = claimed;
  const { log, now } = options;
  const answer = await attempt(options, claimed);
  const outcome = outcomeOf(answer, webhook.disabledAt !== null, () => {
    const seconds = retryAfter(delivery.attempts, (options.random ?? Math.random)());
    return seconds === undefined ? undefined : addSeconds(now(), seconds);
  });
  if (outcome.kind === 'failed') {
    const ids = { webhook: printId('whk', webhook.id), delivery: printId('dlv', delivery.id) };
    const reason = answer.ok ? outcome.fault : answer.reason;
    log.info({ ...ids, attempt: delivery.attempts, reason }, 'a webhook did not take its message');
  }
  await settleDelivery(options.db(), claimed, outcome, now());
  options.counted?.(outcome.kind);
}

async function attempt({ db, outgoing, signatures, now }: SenderOptions, { delivery, webhook }: Claimed) {
  const { event, payload } = delivery;
  const told: WebhookPayload = {
    type: event,
    timestamp: String(payload['timestamp']),
    data: Object.fromEntries(Object.entries(payload['data'] ?? {})),
  };
  const body = JSON.stringify(webhook.form === 'slack' ? { text: slackText(told) } : told);
  const messageId = printId('dlv', delivery.id);
  const rotatedAt = webhook.form === 'slack' ? undefined : await secretRotatedAt(db(), webhook);
  const signed =
    webhook.form === 'slack' ? {} : signatures.headers({ webhook, rotatedAt, messageId, body, now: now() });
  const headers = { 'content-type': 'application/json', 'user-agent': 'countersign', ...signed };
  return outgoing({ url: webhook.url, method: 'POST', headers, body, maxBytes: MAX_ANSWER_BYTES });
}

/** What an answer means. Why a host could not be reached is the operator's to know: it would tell what is inside. */
function outcomeOf(answer: OutgoingAnswer, isDisabled: boolean, retryAt: () => Date | undefined): Outcome {
  if (!answer.ok) {
    const fault = `no whole answer within ${RECEIVER_SECONDS} s`;
    return { kind: 'failed', fault, retryAt: isDisabled ? undefined : retryAt() };
  }
  if (answer.status >= 200 && answer.status < 300) return { kind: 'delivered' };
  if (answer.status === 410) return { kind: 'gone' };
  const isRedirect = answer.status >= 300 && answer.status < 400;
  const fault = `answered ${answer.status}${isRedirect ? ': redirects are not followed' : ''}`;
  return { kind: 'failed', fault, retryAt: isDisabled ? undefined : retryAt() };
}
