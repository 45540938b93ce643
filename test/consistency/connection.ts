import { Agent, request } from 'node:http';

/** What a node answered, with its JSON if it was any. */
export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** What is sent. `bearer` is a printed token. */
export interface Sending {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly bearer?: string;
  readonly json?: unknown;
  readonly form?: string;
}

/** Connections to the nodes that stay open between requests. */
export interface Connections {
  /** Gives the whole answer, or `undefined` when the connection broke or nothing came for 20 s. */
  send(url: string, sending: Sending): Promise<Reply | undefined>;
  close(): void;
}

const TIMEOUT_MS = 20_000;

export function openConnections(): Connections {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  return {
    send: (url, sending) => send(agent, url, sending),
    close: () => agent.destroy(),
  };
}

function send(agent: Agent, url: string, { method, path, bearer, json, form }: Sending): Promise<Reply | undefined> {
  const body = form ?? (json === undefined ? '' : JSON.stringify(json));
  const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
  const headers = {
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
    ...(body === '' ? {} : { 'content-type': type }),
    'content-length': Buffer.byteLength(body),
  };
  return new Promise((resolve) => {
    const outgoing = request(url + path, { method, headers, agent }, (incoming) => {
      const pieces: Buffer[] = [];
      incoming.on('data', (piece: Buffer) => pieces.push(piece));
      incoming.on('error', () => resolve(undefined));
      incoming.on('end', () => {
        if (incoming.complete) resolve({ status: incoming.statusCode ?? 0, body: jsonOf(Buffer.concat(pieces)) });
        else resolve(undefined);
      });
    });
    outgoing.setTimeout(TIMEOUT_MS, () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined));
    outgoing.on('close', () => resolve(undefined));
    outgoing.end(body);
  });
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}
