import { workflow, workflowPage } from '../wire/answers.js';
import type { Page, Workflow, WorkflowRequest } from '../wire/resources.js';
import { type ClientOptions, sendFor } from './transport.js';

/** Workflows, by their label. */
export interface WorkflowsClient {
  list(query?: { limit?: number | undefined; cursor?: string | undefined }): Promise<Page<Workflow>>;
  show(label: string): Promise<Workflow>;
  /** Makes a workflow or replaces its whole policy: a member that is left out gets its default. */
  put(label: string, request: WorkflowRequest): Promise<Workflow>;
  /** Makes the workflow's tokens inactive and stops its jobs, at once. */
  pause(label: string): Promise<Workflow>;
  resume(label: string): Promise<Workflow>;
}

export function workflowsClient(options: ClientOptions): WorkflowsClient {
  const path = (label: string, verb = '') => `/v1/workflows/${encodeURIComponent(label)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/workflows', query: { ...query } }, workflowPage),
    show: (label) => sendFor(options, { method: 'GET', path: path(label) }, workflow),
    put: (label, request) => sendFor(options, { method: 'PUT', path: path(label), json: request }, workflow),
    pause: (label) => sendFor(options, { method: 'POST', path: path(label, '/pause') }, workflow),
    resume: (label) => sendFor(options, { method: 'POST', path: path(label, '/resume') }, workflow),
  };
}
