import type { MailSettings } from '../rules/mail.js';

/** A mail of plain text to one address. */
export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  /** With its angle brackets: the same for each attempt, so that who got it twice can tell. RFC 5322 section 3.6.4. */
  readonly messageId: string;
  readonly date: Date;
}

/** What became of a mail. `isFinal`: the server refused it for good. `fault` may be told to a tenant, `reason` to the operator
 *  alone; the words of a server are in neither, for they may repeat what it was told. */
export type MailAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly isFinal: boolean; readonly fault: string; readonly reason: string };

/** Hands mails to the server that sends them on. */
export interface MailTransport {
  send(mail: Mail): Promise<MailAnswer>;
  /** Connects and logs in, and sends nothing. */
  verify(): Promise<MailAnswer>;
  /** Ends all connections, whatever is under way. */
  close(): void;
}

export interface MailTransportOptions {
  readonly settings: MailSettings;
  /** How long each step may take (default 10 s); a whole mail three times as long. */
  readonly stepMs?: number;
  /** Certificates that are trusted in the place of those of the system. */
  readonly ca?: string;
}

/** How many mails are on their way at a time, of one process. */
export const MAILS_AT_ONCE = 5;
const STEP_MS = 10_000;
const IDLE_MS = 30_000;

/** Makes it. Nothing is connected, and the library not read, before the first mail. */
export function createMailTransport({ settings, stepMs = STEP_MS, ca }: MailTransportOptions): MailTransport {
  const open = async () => {
    const { createTransport } = await import('nodemailer');
    return createTransport({
      pool: true,
      host: settings.host,
      port: settings.port,
      secure: settings.tls === 'at-once',
      requireTLS: settings.tls === 'required',
      ignoreTLS: settings.tls === 'none',
      tls: { minVersion: 'TLSv1.2', ca },
      auth: settings.login && { user: settings.login.user, pass: settings.login.passwordSecret },
      maxConnections: MAILS_AT_ONCE,
      // Whether a mail that was cut off is sent again is decided by its row.
      maxRequeues: 0,
      idleTimeout: IDLE_MS,
      connectionTimeout: stepMs,
      greetingTimeout: stepMs,
      socketTimeout: stepMs,
      dnsTimeout: stepMs,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  };
  let opened: ReturnType<typeof open> | undefined;
  const transport = () => {
    opened ??= open();
    return opened;
  };
  return {
    send: async ({ to, messageId, date, subject, text }) => {
      const { name, address } = settings.from;
      return answered(async () =>
        (await transport()).sendMail({
          envelope: { from: address, to: [to] },
          from: { name, address },
          to: { name: '', address: to },
          messageId,
          date,
          subject,
          text,
          xMailer: false,
          // RFC 3834 section 5: nobody's absence answers it.
          headers: { 'Auto-Submitted': 'auto-generated' },
          signal: AbortSignal.timeout(3 * stepMs),
        }),
      );
    },
    verify: () => answered(async () => (await transport()).verify()),
    close: () => {
      void opened?.then((one) => one.close({ force: true }));
    },
  };
}

async function answered(act: () => Promise<unknown>): Promise<MailAnswer> {
  try {
    await act();
    return { ok: true };
  } catch (error) {
    return failureOf(error);
  }
}

const UNREACHED = 'the mail server did not take it';

/** What a fault of the library means. A server that refuses the recipient or the message has spoken about this mail; one that
 *  refuses the login or the sender has not, and the operator may put that right. */
function failureOf(error: unknown): MailAnswer {
  const { code, command, responseCode } = wordsOf(error);
  const reason = [code, command, responseCode].filter((word) => word !== undefined).join(' ') || 'it failed';
  if (responseCode === undefined || !/^(RCPT TO|DATA)$/.test(command ?? '')) {
    return { ok: false, isFinal: false, fault: UNREACHED, reason };
  }
  const isFinal = responseCode >= 500 && responseCode !== 503;
  return { ok: false, isFinal, fault: `the mail server answered ${responseCode}`, reason };
}

function wordsOf(error: unknown) {
  const all: Readonly<Record<string, unknown>> = error instanceof Error ? { ...error } : {};
  const { code, command, responseCode } = all;
  return {
    code: typeof code === 'string' ? code : undefined,
    command: typeof command === 'string' ? command : undefined,
    responseCode: typeof responseCode === 'number' ? responseCode : undefined,
  };
}
