import { z } from 'zod';
import { isLoopbackHost } from './rules/issuer.js';
import type { MailSettings } from './rules/mail.js';
import { email } from './wire/members.js';

const URL_ACCEPTED =
  'smtps://USER:PASSWORD@HOST:PORT, or smtp://… for a server with STARTTLS, without a path and with USER and PASSWORD both or neither';
const FROM_ACCEPTED = 'an e-mail address, or a name and one: Countersign <countersign@acme.example>';
const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i;
// Of one line, and nothing that an address list is made of.
const NAMED = /^(?:([^\p{C}\p{Zl}\p{Zp}<>"(),:;@\\[\]]{1,100}) +)?<([^<>\s]+)>$/u;

/** The variables of mail, each by itself. */
export const smtpVariables = {
  COUNTERSIGN_SMTP_URL: z
    .string()
    .transform((text, context) => {
      const server = readServer(text);
      if (server !== undefined) return server;
      context.addIssue(URL_ACCEPTED);
      return z.NEVER;
    })
    .optional(),
  COUNTERSIGN_MAIL_FROM: z
    .string()
    .transform((text, context) => {
      const [, name, address] = NAMED.exec(text.trim()) ?? [];
      const parsed = email.safeParse(address ?? text.trim());
      if (parsed.success) return { name: name?.trim() ?? 'Countersign', address: parsed.data };
      context.addIssue(FROM_ACCEPTED);
      return z.NEVER;
    })
    .optional(),
};

type Values = z.output<z.ZodObject<typeof smtpVariables>>;

/** Why the variables do not go together, in one line; `undefined` when they do. */
export function smtpFault(isSet: (name: keyof typeof smtpVariables) => boolean): string | undefined {
  const [hasUrl, hasFrom] = [isSet('COUNTERSIGN_SMTP_URL'), isSet('COUNTERSIGN_MAIL_FROM')];
  if (hasUrl === hasFrom) return undefined;
  return hasUrl
    ? `COUNTERSIGN_MAIL_FROM is not set, but COUNTERSIGN_SMTP_URL is: it accepts ${FROM_ACCEPTED}`
    : `COUNTERSIGN_SMTP_URL is not set, but COUNTERSIGN_MAIL_FROM is: it accepts ${URL_ACCEPTED}`;
}

/** Puts the variables together; `undefined` when no mail is sent. */
export function mailSettings(values: Values): MailSettings | undefined {
  const { COUNTERSIGN_SMTP_URL: server, COUNTERSIGN_MAIL_FROM: from } = values;
  return server === undefined || from === undefined ? undefined : { ...server, from };
}

/** Reads the address of a mail server. A login never goes over a connection without TLS: to this machine too, STARTTLS is
 *  required then. */
function readServer(text: string): Omit<MailSettings, 'from'> | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^smtps?:$/.test(url.protocol) || !HOST.test(url.hostname)) return undefined;
  if (/[?#]/.test(text) || !['', '/'].includes(url.pathname)) return undefined;
  const [user, password] = [unescaped(url.username), unescaped(url.password)];
  if (user === undefined || password === undefined || (user === '') !== (password === '')) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (Number(url.port || 1) === 0) return undefined;
  const isAtOnce = url.protocol === 'smtps:';
  const isLocal = isLoopbackHost(host) && user === '';
  return {
    host,
    port: url.port === '' ? (isAtOnce ? 465 : 587) : Number(url.port),
    tls: isAtOnce ? 'at-once' : isLocal ? 'none' : 'required',
    login: user === '' ? undefined : { user, passwordSecret: password },
  };
}

function unescaped(text: string): string | undefined {
  try {
    const plain = decodeURIComponent(text);
    return /\p{Cc}/u.test(plain) ? undefined : plain;
  } catch {
    return undefined;
  }
}
