import { reportPage } from '../wire/report-answers.js';
import type { Page, ReportedToken, ReportKind } from '../wire/resources.js';
import { type ClientOptions, sendFor } from './transport.js';

/** Which report. `days` goes with `unused` and `expiring` (default 30). */
export interface ReportQuery {
  kind: ReportKind;
  days?: number | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** What somebody should look at. */
export interface ReportsClient {
  /** Tokens that have not ended, newest first (`expiring`: the soonest first), each with why it is in the report. */
  tokens(query: ReportQuery): Promise<Page<ReportedToken>>;
}

export function reportsClient(options: ClientOptions): ReportsClient {
  return {
    tokens: (query) => sendFor(options, { method: 'GET', path: '/v1/reports/tokens', query: { ...query } }, reportPage),
  };
}
