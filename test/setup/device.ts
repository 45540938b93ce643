import { type Answered, send } from './request.js';
import { ISSUER, type TestService } from './service.js';
import type { TestSession } from './session.js';

/** How a browser differs from one that does everything right. */
export interface Browsing {
  /** Where the browser is (default 127.0.0.1, where a device that calls over loopback is too). */
  readonly address?: string;
  /** `null` sends none. */
  readonly origin?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields of the form instead of those of the page; `undefined` leaves one out. */
  readonly fields?: Readonly<Record<string, string | undefined>>;
}

/** Opens a page as somebody who is signed in, or as nobody. */
export function openPage(
  service: TestService,
  session: TestSession | undefined,
  path = '/console/device',
  { address = '127.0.0.1', headers = {} }: Browsing = {},
): Promise<Answered> {
  const cookie = session === undefined ? {} : { cookie: session.cookie };
  return send(service, 'GET', path, { token: null, address, headers: { ...cookie, ...headers } });
}

/** Sends a form as a browser does. */
export function sendPage(
  service: TestService,
  session: TestSession | undefined,
  path: string,
  { address = '127.0.0.1', origin = originOf(service), headers = {}, fields = {} }: Browsing = {},
): Promise<Answered> {
  const cookie = session === undefined ? {} : { cookie: session.cookie };
  const known = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  const form = new URLSearchParams(Object.fromEntries(known)).toString();
  const from = origin === null ? {} : { origin };
  return send(service, 'POST', path, { token: null, address, form, headers: { ...cookie, ...from, ...headers } });
}

/** The hidden fields of the first form of a page. */
export function hiddenFields({ text }: Answered): Record<string, string> {
  const found = text.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, unescaped(value)]));
}

/** Types a code on the page. Gives what is shown of the device. */
export async function typeCode(
  service: TestService,
  session: TestSession,
  userCode: string,
  browsing: Browsing = {},
): Promise<Answered> {
  const page = hiddenFields(await openPage(service, session));
  const fields = { ...page, user_code: userCode, ...browsing.fields };
  return sendPage(service, session, '/console/device', { ...browsing, fields });
}

/** Types a code on the page and says yes or no to what is shown. */
export async function decide(
  service: TestService,
  session: TestSession,
  userCode: string,
  decision: 'approve' | 'deny' = 'approve',
  browsing: Browsing = {},
): Promise<Answered> {
  const shown = hiddenFields(await typeCode(service, session, userCode, { ...browsing, fields: {} }));
  const fields = { ...shown, decision, mine: 'yes', ...browsing.fields };
  return sendPage(service, session, '/console/device/decision', { ...browsing, fields });
}

/** Where the pages of a service are, as a browser names it. */
function originOf(service: TestService): string {
  return 'url' in service && typeof service.url === 'string' ? service.url : ISSUER;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => ENTITIES[name] ?? '');
}
