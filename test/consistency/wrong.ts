import type { IncomingMessage, RequestListener } from 'node:http';
import type { TokenId } from '../../src/rules/format.js';
import type { Service } from '../../src/service.js';
import { createLookup, type StoredToken } from '../../src/store/lookup.js';

/** Faults that are planted to see that they are found. */

/** A lookup that gives what it has read once more. It counts and does not look at the clock, so that a slow machine sees
 *  the fault as well as a fast one. */
export const openRepeatingLookup: typeof createLookup = (...how) => {
  const lookup = createLookup(...how);
  const toRepeat = new Map<TokenId, { readonly token: StoredToken | undefined }>();
  const find = async (id: TokenId) => {
    const known = toRepeat.get(id);
    if (known && toRepeat.delete(id)) return known.token;
    const token = await lookup.find(id);
    toRepeat.set(id, { token });
    return token;
  };
  return { ...lookup, find, findAll: (ids) => Promise.all(ids.map(find)) };
};

/** A service that gives the first decision about a token again whenever the same is asked. */
export function rememberDecisions(answer: RequestListener, { app }: Service): RequestListener {
  const decisions = new Map<string, string>();

  async function decide(request: IncomingMessage): Promise<{ status: number; text: string }> {
    const { authorization = '' } = request.headers;
    const body = Buffer.concat(await request.toArray()).toString();
    const known = decisions.get(authorization + body);
    if (known !== undefined) return { status: 200, text: known };
    const headers = { authorization, 'content-type': 'application/json' };
    const response = await app.request('/v1/exec/checks', { method: 'POST', headers, body });
    const text = await response.text();
    if (response.ok) decisions.set(authorization + body, text);
    return { status: response.status, text };
  }

  return (request, response) => {
    if (request.url !== '/v1/exec/checks') return answer(request, response);
    void decide(request).then(({ status, text }) => {
      response.writeHead(status, { 'content-length': Buffer.byteLength(text) }).end(text);
    });
  };
}
