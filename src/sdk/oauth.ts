import { deviceAuthorization, exchangedToken, issuerMetadata, tokenAnswer } from '../wire/oauth-answers.js';
import type { DeviceAuthorization, ExchangedToken, ServerMetadata, TokenAnswer } from '../wire/oauth-resources.js';
import { type ClientOptions, sendFor } from './transport.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const DEVICE_CLIENT = 'countersign-cli';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';

/** What is exchanged. */
export interface ExchangeRequest {
  /** What the platform gave the job: a JWT. A secret. */
  subjectToken: string;
  /** RFC 8693 section 3; a JWT unless it says otherwise. */
  subjectTokenType?: string | undefined;
  /** The trust rule, as `workspace/rule`. Without it the service finds the one that matches. */
  audience?: string | undefined;
  /** Narrows what the token may do to these scopes. */
  scope?: readonly string[] | undefined;
}

/** What a device asks for that wants to act for a person. */
export interface DeviceRequest {
  /** What it calls itself, such as its host name: at most 64 characters are shown. */
  clientName?: string | undefined;
  /** Less than all that the person may do. */
  scope?: readonly string[] | undefined;
}

/** The token endpoint, and what the service says of itself. */
export interface OAuthClient {
  /** Exchanges a platform's token for one of the service (RFC 8693). It is good once: after a lost answer get another
   *  one from the platform. Throws `ProblemError` with the error codes of RFC 6749 section 5.2: `invalid_grant` when no
   *  trust rule takes it, `invalid_request` when it has to be said which, `invalid_scope`. */
  exchange(request: ExchangeRequest): Promise<ExchangedToken>;
  /** As a device: asks to act for a person, and gives the code to show (RFC 8628 section 3.1). */
  authorizeDevice(request?: DeviceRequest): Promise<DeviceAuthorization>;
  /** As the device: fetches the token, which is given once. Throws `ProblemError` of kind `authorization_pending` while nobody
   *  has decided, `slow_down` for who asks too often, `access_denied`, `expired_token` (RFC 8628 section 3.5). */
  deviceToken(deviceCode: string): Promise<TokenAnswer>;
  /** RFC 8414. */
  metadata(): Promise<ServerMetadata>;
}

export function oauthClient(options: ClientOptions): OAuthClient {
  return {
    exchange: ({ subjectToken, subjectTokenType = JWT, audience, scope = [] }) => {
      const form = {
        grant_type: EXCHANGE,
        subject_token: subjectToken,
        subject_token_type: subjectTokenType,
        ...(audience === undefined ? {} : { audience }),
        ...(scope.length === 0 ? {} : { scope: scope.join(' ') }),
      };
      return sendFor(options, { method: 'POST', path: '/oauth2/token', form, token: null }, exchangedToken);
    },
    authorizeDevice: ({ clientName, scope = [] } = {}) => {
      const form = {
        client_id: DEVICE_CLIENT,
        ...(clientName === undefined ? {} : { client_name: clientName }),
        ...(scope.length === 0 ? {} : { scope: scope.join(' ') }),
      };
      const call = { method: 'POST', path: '/oauth2/device_authorization', form, token: null } as const;
      return sendFor(options, call, deviceAuthorization);
    },
    deviceToken: (deviceCode) => {
      const form = { grant_type: DEVICE, client_id: DEVICE_CLIENT, device_code: deviceCode };
      return sendFor(options, { method: 'POST', path: '/oauth2/token', form, token: null }, tokenAnswer);
    },
    metadata: () =>
      sendFor(options, { method: 'GET', path: '/.well-known/oauth-authorization-server', token: null }, issuerMetadata),
  };
}
