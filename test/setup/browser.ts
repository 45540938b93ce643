import type { TestService } from './service.js';

/** A page as a browser has it: where it is, and what is on it. */
export interface Visit {
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** A browser without scripts: it keeps cookies by host and path, follows redirects and sends forms. What is at the service's
 *  own address never leaves the process; everything else goes over the network. */
export interface Browser {
  /** Fetches one address, or a path of the service, without following. */
  send(method: string, url: string | URL, sending?: BrowserSending): Promise<Visit>;
  /** The same, and on to where it leads. */
  open(url: string | URL): Promise<Visit>;
  /** Sends the first form of a page whose button says so (default: the first), with more fields, and follows. */
  submit(page: Visit, fields?: Readonly<Record<string, string>>, action?: string): Promise<Visit>;
  /** Follows redirects from a page on, at most to where `until` says. */
  follow(page: Visit, until?: (page: Visit) => boolean): Promise<Visit>;
  /** The cookies of a host, by name. */
  cookies(host?: string): Map<string, string>;
  /** Puts a cookie of the service in, as an attacker or an earlier visit would. */
  plant(name: string, value: string): void;
}

export interface BrowserSending {
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `Origin` with a form (default: the site itself); `null` sends none. */
  readonly origin?: string | null;
}

/** Opens a browser at an address (default 192.0.2.1). */
export function openBrowser(
  service: Pick<TestService, 'service'>,
  home = 'https://countersign.example',
  address = '192.0.2.1',
): Browser {
  const jars = new Map<string, Cookie[]>();
  const own = new URL(home);
  const jar = (host: string) => jars.get(host) ?? [];

  async function send(method: string, to: string | URL, sending: BrowserSending = {}): Promise<Visit> {
    const url = new URL(to, home);
    const headers = new Headers(sending.headers);
    const sent = jar(url.host).filter(({ path }) => url.pathname.startsWith(path));
    if (sent.length > 0) headers.set('cookie', sent.map(({ name, value }) => `${name}=${value}`).join('; '));
    const origin = sending.origin === undefined ? url.origin : sending.origin;
    if (method !== 'GET' && origin !== null) headers.set('origin', origin);
    const body = sending.form === undefined ? undefined : new URLSearchParams(sending.form);
    const init = { method, headers, redirect: 'manual' as const, ...(body === undefined ? {} : { body }) };
    const response =
      url.origin === own.origin
        ? await service.service.app.request(new Request(url, init), undefined, {
            incoming: { socket: { remoteAddress: address } },
          })
        : await fetch(url, init);
    keep(url, response.headers.getSetCookie());
    return { url, status: response.status, headers: response.headers, text: await response.text() };
  }

  function keep(url: URL, lines: readonly string[]): void {
    for (const line of lines) {
      const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const cookie = { name: pair.slice(0, at), value: pair.slice(at + 1), path: attribute(attributes, 'path') ?? '/' };
      const others = jar(url.host).filter(({ name, path }) => name !== cookie.name || path !== cookie.path);
      const expires = attribute(attributes, 'expires');
      const isOver =
        attribute(attributes, 'max-age') === '0' || (expires !== undefined && Date.parse(expires) < Date.now());
      jars.set(url.host, isOver ? others : [...others, cookie]);
    }
  }

  async function follow(page: Visit, until: (page: Visit) => boolean = () => false): Promise<Visit> {
    let here = page;
    for (let hops = 0; hops < 20; hops += 1) {
      const location = here.headers.get('location');
      if (here.status < 300 || here.status > 399 || location === null || until(here)) return here;
      here = await send('GET', new URL(location, here.url));
    }
    throw new Error(`a circle of redirects at ${here.url.pathname}`);
  }

  return {
    send,
    follow,
    open: async (url) => follow(await send('GET', url)),
    submit: async (page, fields = {}, action) => {
      const form = formsOf(page.text).find((one) => action === undefined || one.action.endsWith(action));
      if (form === undefined) throw new Error(`no form on ${page.url.pathname}: ${page.text}`);
      const url = new URL(form.action, page.url);
      return follow(await send('POST', url, { form: { ...form.fields, ...fields }, origin: page.url.origin }));
    },
    cookies: (host = own.host) => new Map(jar(host).map(({ name, value }) => [name, value])),
    plant: (name, value) => {
      const others = jar(own.host).filter((one) => one.name !== name);
      jars.set(own.host, [...others, { name, value, path: '/' }]);
    },
  };
}

/** Where a redirect leads. */
export function locationOf(page: Visit): URL {
  return new URL(page.headers.get('location') ?? '', page.url);
}

function attribute(attributes: readonly string[], name: string): string | undefined {
  const found = attributes.find((one) => one.toLowerCase().startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

function formsOf(text: string) {
  return [...text.matchAll(/<form([^>]*)>([\s\S]*?)<\/form>/g)].map(([, head = '', body = '']) => {
    const inputs = [...body.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => [
      attributeOf(input, 'name'),
      attributeOf(input, 'value'),
    ]);
    return { action: attributeOf(head, 'action'), fields: Object.fromEntries(inputs) as Record<string, string> };
  });
}

function attributeOf(markup: string, name: string): string {
  const [, value = ''] = new RegExp(` ${name}="([^"]*)"`).exec(` ${markup}`) ?? [];
  return value.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"');
}
