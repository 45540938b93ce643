import type { Page, Session } from '../wire/resources.js';
import { sessionPage } from '../wire/session-answers.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** The sessions of people on the pages of the service, by their id (`ses_…`). */
export interface SessionsClient {
  /** One's own, or those of a `member`, by id. */
  list(query?: {
    member?: string | undefined;
    limit?: number | undefined;
    cursor?: string | undefined;
  }): Promise<Page<Session>>;
  /** Ends one, and revokes the tokens that were approved in it. */
  end(id: string): Promise<void>;
}

export function sessionsClient(options: ClientOptions): SessionsClient {
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/sessions', query: { ...query } }, sessionPage),
    end: (id) => sendOnly(options, { method: 'DELETE', path: `/v1/sessions/${encodeURIComponent(id)}` }),
  };
}
