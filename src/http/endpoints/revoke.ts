import { parseToken, printId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { revokeHeld } from '../../store/revocations.js';
import { revokeOperation } from '../../wire/oauth.js';
import { readForm } from '../body.js';
import { placeOf, type Route } from '../endpoint.js';
import type { Answer } from '../exchange.js';
import { findPresented } from '../presented.js';
import { exhausted, limitOf } from '../rate-limit.js';

// Well-formed tokens that stand for nothing, in a minute from one address. What is revoked is not counted: a finder of
// many leaked ones is never slowed down.
const misses = limitOf({ points: 600, duration: 60 });

/** RFC 7009. Whoever holds a token may revoke it; the answer says nothing of what it was. */
export const revokeRoute: Route = {
  operation: revokeOperation,
  handle: async (deps, exchange) => {
    const form = await readForm(exchange);
    if (!form.ok) return form;
    const printed = form.value['token'];
    if (printed === undefined) return refuse({ kind: 'malformed_body', detail: 'token is missing' });
    if (parseToken(printed) === undefined) return done();
    const address = exchange.ip ?? 'unknown';
    const limited = await exhausted(misses(deps), address);
    if (limited) return limited;
    const token = await findPresented(deps, printed);
    if (token === undefined) {
      await misses(deps).penalty(address);
      return done();
    }
    const actorId = printId('tok', token.facts.id);
    const origin = { actorType: 'token', actorId, ...placeOf(exchange) } as const;
    const cause = { reason: 'other', note: 'revoked by its holder (RFC 7009)', origin } as const;
    const isNew = await revokeHeld(deps.db, token.facts.workspaceId, token.facts.id, cause, exchange.now);
    if (isNew) deps.metrics.tokens('revoked', 1);
    return done();
  },
};

function done(): Result<Answer> {
  return accept({ status: 200, headers: {} });
}
