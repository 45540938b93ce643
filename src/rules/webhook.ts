/** What a webhook is sent: the form of Standard Webhooks, signed, or a text that chat systems show. */
export type WebhookForm = 'standard' | 'slack';

/** Where a message stands. `dead`: three days were not enough. */
export type DeliveryStatus = 'pending' | 'delivered' | 'dead';

export const WEBHOOK_FORMS: readonly WebhookForm[] = ['standard', 'slack'];
export const DELIVERY_STATUSES: readonly DeliveryStatus[] = ['pending', 'delivered', 'dead'];

/** What a webhook can be told of: the nearing end of a token, and actions of the audit trail by their names there. */
export const WEBHOOK_EVENTS = [
  'token.expiring',
  'token.revoked',
  'token.reused',
  'token.frozen',
  'member.suspended',
  'member.removed',
  'incident.opened',
  'trust_rule.set',
  'policy.set',
  'workflow.paused',
] as const;
export type WebhookEvent = (typeof WEBHOOK_EVENTS)[number];

/** How many webhooks a workspace may have. */
export const MAX_WEBHOOKS = 20;

/** How long the secret of before signs beside the new one, in seconds. */
export const SECRET_OVERLAP_SECONDS = 86_400;

// 30 s, 5 min, 30 min, 2 h, 6 h, 12 h, 24 h, 27 h: just under three days in all.
const RETRY_SECONDS = [30, 300, 1_800, 7_200, 21_600, 43_200, 86_400, 97_200] as const;

/** How long to wait after a failed attempt, counted from 1, in seconds: up to a fifth less than the schedule says, so that
 *  many do not come back at once. `random` is from 0 to 1. Gives `undefined` when that was the last. */
export function retryAfter(attempts: number, random: number): number | undefined {
  const seconds = RETRY_SECONDS[attempts - 1];
  return seconds === undefined ? undefined : seconds * (1 - random / 5);
}

/** Whether there are webhooks for an action of the audit trail. */
export function isWebhookEvent(action: string): boolean {
  return WEBHOOK_EVENTS.some((event) => event === action);
}

/** The address as it is shown. That of the slack form is a secret itself: whoever has it may post. */
export function shownUrl(webhook: { readonly url: string; readonly form: WebhookForm }): string {
  switch (webhook.form) {
    case 'standard':
      return webhook.url;
    case 'slack':
      return `${new URL(webhook.url).origin}/…`;
  }
}

/** What is told: ids and names, and no secret. */
export interface WebhookPayload {
  readonly type: string;
  /** When it happened: RFC 3339. */
  readonly timestamp: string;
  readonly data: Readonly<Record<string, unknown>>;
}

// What an event of the trail says is told as far as it is an id or a name; a note is anybody's words.
const TOLD = ['reason', 'label', 'name', 'workflow', 'kind', 'token', 'incident', 'enforcement'] as const;

/** The payload of an event of the audit trail. */
export function auditPayload(event: {
  readonly id: string;
  readonly seq: number;
  readonly at: Date;
  readonly action: string;
  readonly target: string;
  readonly actor: { readonly type: string; readonly id: string };
  readonly workspaceId: string;
  readonly data: Readonly<Record<string, unknown>>;
}): WebhookPayload {
  const told = TOLD.flatMap((key) => {
    const value = event.data[key];
    return typeof value === 'string' ? [[key, value] as const] : [];
  });
  return {
    type: event.action,
    timestamp: event.at.toISOString(),
    data: {
      workspace_id: event.workspaceId,
      target: event.target,
      actor: event.actor,
      event_id: event.id,
      seq: event.seq,
      ...Object.fromEntries(told),
    },
  };
}

// In the order in which a person wants to know.
const SAID = [
  'workflow',
  'label',
  'name',
  'target',
  'reason',
  'kind',
  'days_left',
  'expires_at',
  'workspace_id',
] as const;

/** The payload as a line for people, in the form of Slack's incoming webhooks. What a person named is shown as text: it
 *  mentions nobody and links nowhere. */
export function slackText({ type, data }: WebhookPayload): string {
  const facts = SAID.flatMap((key) => {
    const value = data[key];
    return typeof value === 'string' || typeof value === 'number' ? [`${key} ${value}`] : [];
  });
  return `Countersign: ${type}: ${facts.join(', ')}`.replace(/[&<>]/g, (sign) => SLACK_ESCAPES[sign] ?? sign);
}

const SLACK_ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
