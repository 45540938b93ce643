import type { IncidentKind } from './incident.js';

/** Where the mails of the service go out, and from whom. */
export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** `at-once`: the connection begins with TLS. `required`: STARTTLS, or nothing is sent. `none`: to this machine alone. */
  readonly tls: 'at-once' | 'required' | 'none';
  readonly login: { readonly user: string; readonly passwordSecret: string } | undefined;
  readonly from: { readonly name: string; readonly address: string };
}

/** A token, as far as a mail tells of it. */
export interface MailedToken {
  readonly id: string;
  readonly name: string | null;
  readonly workflow: string;
  readonly owner: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** An incident, as far as a mail tells of it. */
export interface MailedIncident {
  readonly id: string;
  readonly kind: IncidentKind;
  readonly token: Omit<MailedToken, 'expiresAt'>;
  /** RFC 3339. */
  readonly at: string;
  /** How many tokens it has ended. */
  readonly revoked: number;
}

interface Occasion {
  /** When it happened: RFC 3339. */
  readonly timestamp: string;
  /** The slug of the workspace. */
  readonly workspace: string;
  /** What the recipient is: a member who is told only while being one, or an address that the workflow names. */
  readonly to: 'member' | 'contact';
}

/** What a mail is about: ids and names, no secret, and no note that somebody wrote. */
export type MailPayload =
  | (Occasion & {
      readonly type: 'token.expiring';
      readonly daysLeft: number;
      readonly tokens: readonly MailedToken[];
    })
  | (Occasion & {
      readonly type: 'incident.opened';
      readonly incidents: readonly MailedIncident[];
      /** How many there are beside those. */
      readonly more: number;
    });

/** How many incidents a mail tells of by name. */
export const MAX_MAILED_INCIDENTS = 50;

/** For how long what happens after an incident waits for the next mail to the same address, in seconds. */
export const INCIDENTS_TOGETHER_SECONDS = 60;
