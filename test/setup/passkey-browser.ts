import { type Answered, type Sending, send } from './request.js';
import type { TestService } from './service.js';

let opened = 0;

/** A browser as far as the pages need one: it keeps cookies, and says where its requests come from. Each is at an
 *  address of its own, since wrong tries are counted by it. */
export class PasskeyBrowser {
  readonly cookies = new Map<string, string>();
  readonly #service: TestService;
  readonly #origin: string;
  readonly #address: string;

  constructor(service: TestService, origin: string) {
    this.#service = service;
    this.#origin = origin;
    opened += 1;
    this.#address = `198.18.${opened >> 8}.${opened & 0xff}`;
  }

  get(path: string): Promise<Answered> {
    return this.#send('GET', path, {});
  }

  /** What the script of a page sends. */
  call(path: string, json: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answered> {
    return this.#send('POST', path, {
      json,
      headers: { origin: this.#origin, accept: 'application/json', ...headers },
    });
  }

  /** What the form of a page sends. */
  submit(
    path: string,
    fields: Record<string, string>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answered> {
    const form = new URLSearchParams(fields).toString();
    return this.#send('POST', path, { form, headers: { origin: this.#origin, ...headers } });
  }

  async #send(method: string, path: string, sending: Sending): Promise<Answered> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...(cookie === '' ? {} : { cookie }), ...sending.headers };
    const answer = await send(this.#service, method, path, {
      ...sending,
      token: null,
      headers,
      address: this.#address,
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
}
