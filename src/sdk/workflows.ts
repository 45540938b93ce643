import { workflow, workflowPage } from '../wire/answers.js';
import type { Page, ToolDryRun, ToolDryRunRequest, ToolRules, Workflow, WorkflowRequest } from '../wire/resources.js';
import { shownToolRules, toolDryRun } from '../wire/tool-rule-answers.js';
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
  /** What the workflow's agents may do with their tools. */
  toolRules(label: string): Promise<ToolRules>;
  /** Replaces all of the tool rules. */
  putToolRules(label: string, rules: ToolRules): Promise<ToolRules>;
  /** Tries which rule would decide about a call, by the stored rules or by a draft. Nothing is stored. */
  dryRunToolRules(label: string, request: ToolDryRunRequest): Promise<ToolDryRun>;
}

export function workflowsClient(options: ClientOptions): WorkflowsClient {
  const path = (label: string, verb = '') => `/v1/workflows/${encodeURIComponent(label)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/workflows', query: { ...query } }, workflowPage),
    show: (label) => sendFor(options, { method: 'GET', path: path(label) }, workflow),
    put: (label, request) => sendFor(options, { method: 'PUT', path: path(label), json: request }, workflow),
    pause: (label) => sendFor(options, { method: 'POST', path: path(label, '/pause') }, workflow),
    resume: (label) => sendFor(options, { method: 'POST', path: path(label, '/resume') }, workflow),
    toolRules: (label) => sendFor(options, { method: 'GET', path: path(label, '/tool-rules') }, shownToolRules),
    putToolRules: (label, rules) =>
      sendFor(options, { method: 'PUT', path: path(label, '/tool-rules'), json: rules }, shownToolRules),
    dryRunToolRules: (label, request) =>
      sendFor(options, { method: 'POST', path: path(label, '/tool-rules/dry-run'), json: request }, toolDryRun),
  };
}
