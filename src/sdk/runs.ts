import { run, runPage } from '../wire/answers.js';
import type {
  NewToolDecision,
  Page,
  RecordedToolDecisions,
  Run,
  RunStatus,
  StopRequest,
  ToolDecision,
  ToolVerdict,
} from '../wire/resources.js';
import { recordedToolDecisions, toolDecisionPage } from '../wire/tool-decision-answers.js';
import { type ClientOptions, sendFor } from './transport.js';

/** What a list of runs is narrowed to: those that run now, unless `status` says otherwise. */
export interface RunQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  workflow?: string | undefined;
  token?: string | undefined;
  status?: RunStatus | undefined;
}

export interface ToolDecisionQuery {
  limit?: number | undefined;
  cursor?: string | undefined;
  decision?: ToolVerdict | undefined;
}

/** What allowed checks let begin, by their id (`run_…`). */
export interface RunsClient {
  list(query?: RunQuery): Promise<Page<Run>>;
  show(id: string): Promise<Run>;
  /** Keeps a run from counting as lost. Refused (409, `run_state`) when it is over or its right to go on has ended. */
  renew(id: string, signal?: AbortSignal): Promise<Run>;
  /** Ends the right to go on, at once. The token stays as it is. Again changes nothing. */
  stop(id: string, request?: StopRequest): Promise<Run>;
  /** Puts 1 to 200 decisions of the run's guard on record, 64 KiB in all. A batch may be sent again. */
  recordToolDecisions(id: string, decisions: readonly NewToolDecision[]): Promise<RecordedToolDecisions>;
  /** What the run's guard decided, newest first. */
  toolDecisions(id: string, query?: ToolDecisionQuery): Promise<Page<ToolDecision>>;
}

export function runsClient(options: ClientOptions): RunsClient {
  const path = (id: string, verb = '') => `/v1/exec/runs/${encodeURIComponent(id)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/exec/runs', query: { ...query } }, runPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, run),
    renew: (id, signal) => sendFor(options, { method: 'POST', path: path(id, '/renew'), signal }, run),
    stop: (id, request = {}) => sendFor(options, { method: 'POST', path: path(id, '/stop'), json: request }, run),
    recordToolDecisions: (id, decisions) =>
      sendFor(
        options,
        { method: 'POST', path: path(id, '/tool-decisions'), json: { decisions } },
        recordedToolDecisions,
      ),
    toolDecisions: (id, query) =>
      sendFor(options, { method: 'GET', path: path(id, '/tool-decisions'), query: { ...query } }, toolDecisionPage),
  };
}
