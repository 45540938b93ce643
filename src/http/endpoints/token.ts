import { authorizationDetails } from '../../rules/introspection.js';
import { accept, refuse } from '../../rules/refusal.js';
import { tokenOperation } from '../../wire/token-endpoint.js';
import { readForm } from '../body.js';
import { jsonAnswer, type Route } from '../endpoint.js';
import { GRANTS } from '../grants.js';

/** RFC 6749 section 3.2: gives a token for one of the {@link GRANTS}. */
export const tokenRoute: Route = {
  operation: tokenOperation,
  handle: async (deps, exchange) => {
    const form = await readForm(exchange);
    if (!form.ok) return form;
    const type = form.value['grant_type'];
    if (type === undefined) {
      return refuse({ kind: 'oauth', error: 'invalid_request', detail: 'grant_type is missing' });
    }
    const grant = GRANTS.get(type);
    if (grant === undefined) {
      const detail = `the grant types are ${[...GRANTS.keys()].join(', ')}`;
      return refuse({ kind: 'oauth', error: 'unsupported_grant_type', detail });
    }
    const issued = await grant(deps, exchange, form.value);
    if (!issued.ok) return issued;
    const { printed, scopes, expiresAt, exchange: exchanged } = issued.value;
    const body = {
      access_token: printed,
      token_type: 'Bearer',
      expires_in: Math.floor((expiresAt.getTime() - exchange.now.getTime()) / 1000),
      scope: scopes.join(' '),
      ...(exchanged && {
        issued_token_type: exchanged.issuedTokenType,
        authorization_details: authorizationDetails(exchanged.constraints),
      }),
    };
    // RFC 6749 section 5.1 asks for it beside `Cache-Control`.
    return accept(jsonAnswer({ status: 200, headers: { pragma: 'no-cache' }, body }));
  },
};
