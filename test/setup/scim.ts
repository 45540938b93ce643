import type { MintRequest } from '../../src/wire/resources.js';
import { type Answered, type Sending, send } from './request.js';
import type { TestService } from './service.js';

export const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

/** An identity provider with a token, as it speaks to `/scim/v2`. */
export interface Provider {
  readonly token: string;
  /** Sends as `application/scim+json`. */
  send(method: string, path: string, json?: unknown, sending?: Sending): Promise<Answered>;
  /** Brings a person in. */
  create(userName: string, more?: Record<string, unknown>): Promise<Answered>;
  /** Operations of one PATCH. */
  patch(id: unknown, ...operations: readonly unknown[]): Promise<Answered>;
  /** What a filter finds. */
  find(filter: string, query?: string): Promise<Answered>;
}

/** A provider whose token has these scopes, by default those of a provider, made by `maker` (default the owner). */
export async function makeProvider(
  service: TestService,
  options: { readonly maker?: string; readonly scopes?: readonly string[] } = {},
): Promise<Provider> {
  const client = service.client(options.maker ?? service.owner.printed);
  await service.client().workflows.put('scim', { allowed_scopes: [], allowed_expiry_days: [90] });
  const scopes = [...(options.scopes ?? ['members:read', 'members:write'])];
  const request: MintRequest = { workflow: 'scim', scopes, expires_in_days: 90 };
  const { token } = await client.tokens.mint(request);
  return providerWith(service, token);
}

/** A provider with this token. */
export function providerWith(service: TestService, token: string): Provider {
  const ask = (method: string, path: string, json?: unknown, sending: Sending = {}) =>
    send(service, method, `/scim/v2${path}`, {
      token,
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...sending,
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/scim+json' }), ...sending.headers },
    });
  return {
    token,
    send: ask,
    create: (userName, more = {}) => ask('POST', '/Users', { schemas: [USER], userName, ...more }),
    patch: (id, ...operations) => ask('PATCH', `/Users/${id}`, { schemas: [PATCH], Operations: operations }),
    find: (filter, query = '') => ask('GET', `/Users?filter=${encodeURIComponent(filter)}${query}`),
  };
}
