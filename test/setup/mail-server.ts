import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { MailSettings } from '../../src/rules/mail.js';

/** A mail that came. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly isSecure: boolean;
  readonly user: unknown;
  /** As it came over the wire. */
  readonly raw: string;
  /** By their names in lower case, unfolded. */
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** A mail server on a port of 127.0.0.1. */
export interface MailServer {
  readonly settings: MailSettings;
  readonly received: ReceivedMail[];
  /** What it says to a recipient (default: yes). Kept waiting, it is slow. */
  recipient: (address: string) => Promise<void>;
  /** What it says to a mail that it has taken down (default: yes). */
  data: (mail: ReceivedMail) => Promise<void>;
  /** Cuts all connections. */
  cut(): void;
  close(): Promise<void>;
}

/** Of a service that queues mails and sends none. */
export const NO_MAIL_SERVER: MailSettings = {
  host: '127.0.0.1',
  port: 1,
  tls: 'none',
  login: undefined,
  from: { name: 'Countersign', address: 'countersign@acme.example' },
};

/** An answer that is no. */
export function smtpError(responseCode: number, message = 'no'): Error {
  return Object.assign(new Error(message), { responseCode });
}

/** Starts one. Close it in `afterAll`. By default it knows no TLS and no logins. */
export async function createMailServer(
  options: SMTPServerOptions = {},
  settings: Partial<MailSettings> = {},
): Promise<MailServer> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.onAuth ? [] : ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 1,
    onRcptTo: ({ address }, _session, callback) => {
      ours.recipient(address).then(() => callback(), callback);
    },
    onData: (stream, session, callback) => {
      const { mailFrom, rcptTo } = session.envelope;
      void text(stream).then(async (raw) => {
        const mail = {
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          isSecure: session.secure,
          user: session.user,
          raw,
          ...parse(raw),
        };
        ours.received.push(mail);
        await ours.data(mail).then(() => callback(), callback);
      });
    },
    ...options,
  });
  // Clients that give up, and such as this one does not understand.
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await new Promise((resolve) => listening.once('listening', resolve));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('listening gave no port');
  const cut = () => {
    for (const { _socket } of server.connections) _socket.destroy();
  };
  const ours: MailServer = {
    settings: { ...NO_MAIL_SERVER, port: address.port, ...settings },
    received: [],
    recipient: async () => {},
    data: async () => {},
    cut,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
  return ours;
}

function parse(raw: string) {
  const [head = '', ...rest] = raw.split('\r\n\r\n');
  const lines = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const [name = '', ...value] = line.split(':');
      return [name.toLowerCase(), value.join(':').trim()] as const;
    }),
  );
  return { headers, text: decode(rest.join('\r\n\r\n'), headers.get('content-transfer-encoding')) };
}

function decode(body: string, encoding: string | undefined): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  if (encoding !== 'quoted-printable') return body;
  const bytes = body
    .replace(/=\r\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
