export type * from '../wire/resources.js';
export { type Client, createClient, everyPage, type PageQuery } from './client.js';
export { isOutOfReach, ProblemError, UnreachableError } from './errors.js';
export type { ExecCheckQuery, ExecChecksClient } from './exec-checks.js';
export type { MembersClient } from './members.js';
export type { RunQuery, RunsClient, ToolDecisionQuery } from './runs.js';
export type { TokenQuery, TokensClient } from './tokens.js';
export type { ClientOptions } from './transport.js';
export type { WorkflowsClient } from './workflows.js';
