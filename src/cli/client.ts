import { type Client, createClient } from '../sdk/index.js';
import { VERSION } from '../version.js';
import { readSignedIn } from './connection.js';

/** Makes a client for a service, with or without a token. On a terminal it waits for a confirmation where one is needed. */
export function clientFor(url: string, token: string | undefined): Client {
  const options = { url, token, userAgent: `countersign-cli/${VERSION}` };
  const stepUp = async (act: string) => (await import('./step-up.js')).confirmed(createClient(options), act);
  return createClient({ ...options, stepUp });
}

/** Makes a client as the one who is signed in. */
export async function signedInClient(): Promise<Client> {
  const { url, token } = await readSignedIn();
  return clientFor(url, token);
}

/** Takes entries of a list page by page until there are `limit` of them; all without one. */
export async function collect<T>(entries: AsyncIterable<T>, limit: number | undefined): Promise<T[]> {
  const taken: T[] = [];
  if (limit === 0) return taken;
  for await (const entry of entries) {
    taken.push(entry);
    if (taken.length === limit) break;
  }
  return taken;
}
