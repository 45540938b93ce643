import { policyOutcome, workspacePolicy } from '../wire/policy-answers.js';
import type { PolicyOutcome, PolicyRequest, WorkspacePolicy } from '../wire/policy-resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** What every workflow of the workspace is held to. */
export interface PolicyClient {
  show(): Promise<WorkspacePolicy>;
  /** Replaces the whole policy: what is left out is not bounded. Gives what does not comply. */
  put(request: PolicyRequest): Promise<PolicyOutcome>;
  /** Takes the policy away. */
  remove(): Promise<void>;
  /** Gives what would not comply. Nothing is stored. */
  dryRun(request: PolicyRequest): Promise<PolicyOutcome>;
}

export function policyClient(options: ClientOptions): PolicyClient {
  const path = '/v1/policy';
  return {
    show: () => sendFor(options, { method: 'GET', path }, workspacePolicy),
    put: (request) => sendFor(options, { method: 'PUT', path, json: request }, policyOutcome),
    remove: () => sendOnly(options, { method: 'DELETE', path }),
    dryRun: (request) => sendFor(options, { method: 'POST', path: `${path}/dry-run`, json: request }, policyOutcome),
  };
}
