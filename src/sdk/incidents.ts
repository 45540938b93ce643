import { incidentPage, incidentReport, leakReceipt } from '../wire/incident-answers.js';
import type {
  CloseIncidentRequest,
  Incident,
  IncidentReport,
  LeakReceipt,
  LeakReport,
} from '../wire/incident-resources.js';
import type { Page } from '../wire/resources.js';
import { type ClientOptions, sendFor } from './transport.js';

export interface IncidentQuery {
  status?: 'open' | 'closed' | undefined;
  token?: string | undefined;
  limit?: number | undefined;
  cursor?: string | undefined;
}

/** Tokens that leaked, or whose dead secrets were used. */
export interface IncidentsClient {
  /** Newest first. */
  list(query?: IncidentQuery): Promise<Page<Incident>>;
  /** All that is known of one. */
  show(id: string): Promise<IncidentReport>;
  close(id: string, request?: CloseIncidentRequest): Promise<IncidentReport>;
  /** Reports tokens that were found somewhere. Needs no credentials; says nothing of what they were. */
  report(request: LeakReport): Promise<LeakReceipt>;
}

export function incidentsClient(options: ClientOptions): IncidentsClient {
  const path = (id: string, verb = '') => `/v1/incidents/${encodeURIComponent(id)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/incidents', query: { ...query } }, incidentPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, incidentReport),
    close: (id, request = {}) =>
      sendFor(options, { method: 'POST', path: path(id, '/close'), json: request }, incidentReport),
    report: (request) =>
      sendFor(options, { method: 'POST', path: '/v1/leaks', json: request, token: null }, leakReceipt),
  };
}
