import type { Page } from '../wire/resources.js';
import {
  enrolment,
  enrolmentSummary,
  pendingEnrolment,
  redeemedRunner,
  runner,
  runnerPage,
} from '../wire/runner-answers.js';
import type {
  ApprovalRequest,
  Enrolment,
  EnrolmentRequest,
  EnrolmentSummary,
  PendingEnrolment,
  RedeemedRunner,
  Runner,
  RunnerPatch,
} from '../wire/runner-resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** Trusted runners, by their id (`rnr_…`); `self` is the calling one. */
export interface RunnersClient {
  list(query?: { limit?: number | undefined; cursor?: string | undefined }): Promise<Page<Runner>>;
  show(id: string): Promise<Runner>;
  patch(id: string, patch: RunnerPatch): Promise<Runner>;
  /** Makes its token inactive and ends its jobs, at once. */
  suspend(id: string): Promise<Runner>;
  reactivate(id: string): Promise<Runner>;
  /** Revokes its tokens and ends its jobs, at once and for good. A runner may remove itself. */
  remove(id: string): Promise<void>;
}

/** How a host becomes a runner. The host needs a `prover` and no token, who approves it a token with `runners:write`. */
export interface EnrolmentsClient {
  /** As the host: asks, and gives the user code to show. */
  enrol(request: EnrolmentRequest): Promise<Enrolment>;
  /** As the host: fetches the token, or learns that nobody has approved it yet. After a lost answer just ask again. */
  redeem(id: string): Promise<RedeemedRunner | PendingEnrolment>;
  /** Shows what a user code would approve. */
  lookup(userCode: string): Promise<EnrolmentSummary>;
  approve(request: ApprovalRequest): Promise<Runner>;
  deny(userCode: string): Promise<void>;
}

export function runnersClient(options: ClientOptions): RunnersClient {
  const path = (id: string, verb = '') => `/v1/runners/${encodeURIComponent(id)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/runners', query: { ...query } }, runnerPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, runner),
    patch: (id, patch) => sendFor(options, { method: 'PATCH', path: path(id), json: patch }, runner),
    suspend: (id) => sendFor(options, { method: 'POST', path: path(id, '/suspend') }, runner),
    reactivate: (id) => sendFor(options, { method: 'POST', path: path(id, '/reactivate') }, runner),
    remove: (id) => sendOnly(options, { method: 'DELETE', path: path(id) }),
  };
}

export function enrolmentsClient(options: ClientOptions): EnrolmentsClient {
  const path = (verb = '') => `/v1/runner-enrolments${verb}`;
  return {
    enrol: (request) => sendFor(options, { method: 'POST', path: path(), json: request, token: null }, enrolment),
    redeem: (id) =>
      sendFor(
        options,
        { method: 'POST', path: path(`/${encodeURIComponent(id)}/redeem`), token: null },
        redeemedRunner.or(pendingEnrolment),
      ),
    lookup: (userCode) =>
      sendFor(options, { method: 'POST', path: path('/lookup'), json: { user_code: userCode } }, enrolmentSummary),
    approve: (request) => sendFor(options, { method: 'POST', path: path('/approve'), json: request }, runner),
    deny: (userCode) => sendOnly(options, { method: 'POST', path: path('/deny'), json: { user_code: userCode } }),
  };
}
