/** What is said to one event. `silent` leaves it to the agent's own ways; `allow` answers a request for permission in a
 *  person's place and is as good as `silent` to every other event. */
export type Ruling =
  | { readonly verdict: 'allow' }
  | { readonly verdict: 'silent' }
  | { readonly verdict: 'deny'; readonly reason: string };

/** Makes a denial. */
export function denial(reason: string): Ruling {
  return { verdict: 'deny', reason };
}

/** Reads a ruling from its JSON text. Anything but one that was understood completely is `undefined`. By hand: a schema
 *  library would double the time that every tool call waits for its hook. */
export function parseRuling(text: string): Ruling | undefined {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const verdict: unknown = Reflect.get(value, 'verdict');
  const reason: unknown = Reflect.get(value, 'reason');
  const count = Reflect.ownKeys(value).length;
  if (verdict === 'deny' && typeof reason === 'string' && count === 2) return denial(reason);
  if ((verdict === 'allow' || verdict === 'silent') && count === 1) return { verdict };
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
