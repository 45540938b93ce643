import type { Result } from '../rules/refusal.js';
import type { Form } from './body.js';
import type { Deps } from './deps.js';
import { deviceGrant } from './device-grant.js';
import type { Exchange } from './exchange.js';
import type { IssuedToken } from './issued-token.js';
import { tokenExchangeGrant } from './token-exchange.js';

/** Gives a token for a grant, or the refusal of RFC 6749 section 5.2. Who asks has shown nothing yet but the form. */
type Grant = (deps: Deps, exchange: Exchange, form: Form) => Promise<Result<IssuedToken>>;

/** The grants of the token endpoint, by their `grant_type`. */
export const GRANTS: ReadonlyMap<string, Grant> = new Map([
  ['urn:ietf:params:oauth:grant-type:device_code', deviceGrant],
  ['urn:ietf:params:oauth:grant-type:token-exchange', tokenExchangeGrant],
]);
