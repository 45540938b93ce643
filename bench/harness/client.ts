import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** An answer and when it was there, on the monotonic clock. */
export interface TimedAnswer {
  readonly status: number;
  readonly body: string;
  readonly sentMs: number;
  readonly answeredMs: number;
}

/** One connection for one request at a time. */
export interface Connection {
  post(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<TimedAnswer>;
  close(): void;
}

/** Opens a connection that is kept. */
export function connectTo(url: string): Connection {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    post: async (path, headers, body) => {
      const sentMs = performance.now();
      const answer = await send(url, path, { agent, method: 'POST', headers }, body);
      const read = await text(answer);
      return { status: answer.statusCode ?? 0, body: read, sentMs, answeredMs: performance.now() };
    },
    close: () => agent.destroy(),
  };
}

/** Sends a request and gives its answer as soon as the head is there. */
export function send(
  url: string,
  path: string,
  options: {
    readonly agent?: Agent | false;
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
  },
  body: string,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { agent = false, method } = options;
    const headers =
      method === 'GET' ? options.headers : { ...options.headers, 'content-length': Buffer.byteLength(body) };
    const sent = request(`${url}${path}`, { agent, method, headers }, resolve);
    sent.once('error', reject);
    sent.end(method === 'GET' ? undefined : body);
  });
}

/** The headers of a JSON request. */
export function jsonHeaders(token: string): Readonly<Record<string, string>> {
  return { 'content-type': 'application/json', authorization: `Bearer ${token}` };
}

/** The answer's body when it has the status that is expected. Throws otherwise. */
export function expectStatus(answer: TimedAnswer, status: number): string {
  if (answer.status === status) return answer.body;
  throw new Error(`answered ${answer.status} instead of ${status}: ${answer.body.slice(0, 200)}`);
}

/** Does something for each of many, a few at a time. */
export async function forEachOf<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const work = async () => {
    for (const item of rest) await act(item);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
