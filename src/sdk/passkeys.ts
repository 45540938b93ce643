import { passkeyLink, passkeyPage, stepUp } from '../wire/passkey-answers.js';
import type { Passkey, PasskeyLink, PasskeyLinkRequest, StepUp, StepUpRequest } from '../wire/passkey-resources.js';
import type { Page } from '../wire/resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** Keys that people sign in with, and confirm dangerous acts with, by their id (`pky_…`). */
export interface PasskeysClient {
  /** One's own, or those of a `member`, by id. */
  list(query?: { member?: string | undefined }): Promise<Page<Passkey>>;
  /** Asks for the link by which a browser adds one. It is a secret, and good once. */
  add(request?: PasskeyLinkRequest): Promise<PasskeyLink>;
  remove(id: string): Promise<void>;
}

/** What the calling token asks its person to confirm (RFC 9470), by its id (`stp_…`). */
export interface StepUpsClient {
  open(request: StepUpRequest): Promise<StepUp>;
  show(id: string): Promise<StepUp>;
}

export function passkeysClient(options: ClientOptions): PasskeysClient {
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/passkeys', query: { ...query } }, passkeyPage),
    add: (request = {}) =>
      sendFor(options, { method: 'POST', path: '/v1/passkeys/registrations', json: request }, passkeyLink),
    remove: (id) => sendOnly(options, { method: 'DELETE', path: `/v1/passkeys/${encodeURIComponent(id)}` }),
  };
}

export function stepUpsClient(options: ClientOptions): StepUpsClient {
  return {
    open: (request) => sendFor(options, { method: 'POST', path: '/v1/step-ups', json: request }, stepUp),
    show: (id) => sendFor(options, { method: 'GET', path: `/v1/step-ups/${encodeURIComponent(id)}` }, stepUp),
  };
}
