import * as oauth from 'oauth4webapi';
import type { ListeningService } from '../setup/listening.js';

/** oauth4webapi insists on TLS elsewhere; loopback has none. */
export const OVER_LOOPBACK = { [oauth.allowInsecureRequests]: true } as const;

/** What a resource server knows: the token it asks with, as a client of each kind. */
export interface ResourceServer {
  readonly id: string;
  readonly token: string;
  readonly client: oauth.Client;
  readonly auth: oauth.ClientAuth;
  /** The `Authorization` header of `client_secret_basic`. */
  readonly basic: string;
}

/** Finds the service's metadata with oauth4webapi. */
export async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer);
  const response = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...OVER_LOOPBACK });
  return oauth.processDiscoveryResponse(url, response);
}

/** A resource server of the first workspace, with `tokens:introspect` unless told otherwise. */
export async function makeResourceServer(
  service: ListeningService,
  scopes: string[] = ['tokens:introspect'],
): Promise<ResourceServer> {
  await service.makeWorkflow('resource-server', { allowed_scopes: ['tokens:*', 'exec:check', 'repo:*'] });
  const { id, token } = await service.seedToken({ workflow: 'resource-server', scopes });
  return {
    id,
    token,
    client: { client_id: id },
    auth: oauth.ClientSecretBasic(token),
    basic: basic(id, token),
  };
}

/** `client_secret_basic` of two parts that are form-encoded already. */
export function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

/** Posts a form, given as it goes over the wire or as its fields. */
export function postForm(
  url: string,
  form: string | Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
}

/** The `Authorization` header of a Bearer token. */
export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` };
}
