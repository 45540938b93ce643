import { printId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { retryAfter, slackText, type WebhookPayload } from '../rules/webhook.js';
import type { Db } from '../store/database.js';
import { type Claimed, claimDeliveries, type Outcome, settleDelivery } from '../store/deliveries.js';
import { secretRotatedAt } from '../store/webhooks.js';
import type { Log } from './log.js';
import type { Outgoing, OutgoingAnswer } from './outgoing.js';
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

/** Sends the deliveries that are due. */
export interface WebhookSender {
  /** Takes what is due and begins to send it; when a message is done, what is due then follows. A slow receiver holds up its
   *  own messages alone. */
  pass(): Promise<void>;
  /** Ends when nothing is under way. */
  idle(): Promise<void>;
  /** Takes nothing from now on. */
  stop(): void;
}

/** How many messages are under way at a time, of one process. */
const AT_ONCE = 32;
/** The longest answer that is read, in bytes: what it says is not kept. */
const MAX_ANSWER_BYTES = 65_536;
/** How long a receiver may take, in seconds. */
export const RECEIVER_SECONDS = 10;

/** Makes it. */
export function createWebhookSender(options: SenderOptions): WebhookSender {
  const underWay = new Map<string, Claimed>();
  const sending = new Set<Promise<void>>();
  let claiming: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  let isStopped = false;

  async function claim(): Promise<void> {
    const limit = AT_ONCE - underWay.size;
    if (limit <= 0 || isStopped) return;
    const busy = [...new Set([...underWay.values()].map(({ webhook }) => webhook.id))];
    for (const one of await claimDeliveries(options.db(), { limit, busy }, options.now())) {
      underWay.set(one.delivery.id, one);
      const sent = sendOne(options, one)
        .catch((error: unknown) => options.log.warn({ err: error }, 'a delivery is not on record, and is sent again'))
        .then(() => {
          underWay.delete(one.delivery.id);
          return pass();
        })
        .catch((error: unknown) => options.log.warn({ err: error }, 'messages to webhooks wait; trying again'))
        .finally(() => sending.delete(sent));
      sending.add(sent);
    }
  }

  /** One claim after the other, so that each knows what is under way. One that has not begun serves all who ask for one. */
  function pass(): Promise<void> {
    waiting ??= claiming.then(begin, begin);
    claiming = waiting;
    return waiting;
  }

  function begin(): Promise<void> {
    waiting = undefined;
    return claim();
  }

  return {
    pass,
    idle: async () => {
      while (sending.size > 0) await Promise.all(sending);
    },
    stop: () => {
      isStopped = true;
    },
  };
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
