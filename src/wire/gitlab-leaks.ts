import { z } from 'zod';
import type { GitlabTokenTypes } from './incident-resources.js';
import { operation } from './operation.js';

/** As GitLab names it: the kind of the first identifier of a finding and its value, which is the id of the rule that found it. */
export const GITLAB_TOKEN_TYPE = 'gitleaks_rule_id_countersign_token';

/** What GitLab sends. Its items may gain members, and are read one by one. */
export const gitlabLeaks = z
  .array(z.record(z.string(), z.unknown()).catch({}))
  .max(10_000)
  .meta({
    id: 'GitlabLeaks',
    description: 'Items of `type`, `token` and `location`.',
    examples: [
      [{ type: GITLAB_TOKEN_TYPE, token: 'cst_…', location: 'https://gitlab.example/acme/shop/-/blob/4f2a9c1/ci.sh' }],
    ],
  });

const tokenTypes: z.ZodType<GitlabTokenTypes> = z
  .object({ types: z.array(z.string()) })
  .meta({ id: 'GitlabTokenTypes', examples: [{ types: [GITLAB_TOKEN_TYPE] }] });

const authorization = {
  name: 'Authorization',
  description: 'The value of `COUNTERSIGN_GITLAB_REVOCATION_TOKEN`, alone or after `Bearer`.',
} as const;

export const listGitlabTokenTypesOperation = operation({
  id: 'listGitlabTokenTypes',
  method: 'get',
  path: '/v1/leaks/gitlab/revocable_token_types',
  tag: 'incidents',
  summary: 'The types of findings that GitLab’s secret detection may hand over',
  description: 'GitLab’s token revocation API. 404 where the service has no token of GitLab.',
  auth: 'none',
  headers: [authorization],
  answers: { 200: { description: 'The types', schema: tokenTypes } },
  refusals: [429],
});

export const reportGitlabLeaksOperation = operation({
  id: 'reportGitlabLeaks',
  method: 'post',
  path: '/v1/leaks/gitlab/revoke_tokens',
  tag: 'incidents',
  summary: 'Report tokens, as GitLab’s secret detection does',
  description:
    'GitLab’s token revocation API. Each token of this service in an item is revoked and its jobs are stopped before the answer; what is none stops nothing, whatever its type. The answer is the same for all. 404 where the service has no token of GitLab. 10 000 items in 1 MiB at most.',
  auth: 'none',
  headers: [authorization],
  body: gitlabLeaks,
  maxBodyBytes: 1_048_576,
  answers: { 204: { description: 'Read and done' } },
  refusals: [415, 429],
});
