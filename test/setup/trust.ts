import type { TrustRuleRequest } from '../../src/wire/trust-rule-resources.js';

/** What a job of GitHub Actions claims: a push to the main branch of `octo/shop`. */
export const GITHUB_PUSH = {
  sub: 'repo:octo/shop:ref:refs/heads/main',
  ref: 'refs/heads/main',
  sha: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
  repository: 'octo/shop',
  repository_owner: 'octo',
  repository_owner_id: '65',
  run_id: '1658821493',
  run_number: '10',
  run_attempt: '2',
  repository_visibility: 'private',
  repository_id: '74',
  actor_id: '12',
  actor: 'octocat',
  workflow: 'nightly',
  head_ref: '',
  base_ref: '',
  event_name: 'push',
  ref_protected: 'true',
  ref_type: 'branch',
  workflow_ref: 'octo/shop/.github/workflows/nightly.yml@refs/heads/main',
  workflow_sha: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
  job_workflow_ref: 'octo/shop/.github/workflows/nightly.yml@refs/heads/main',
  job_workflow_sha: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
  runner_environment: 'github-hosted',
};

/** What a job of GitLab CI claims: a pipeline of a protected branch, deploying to production. */
export const GITLAB_DEPLOY = {
  namespace_id: '72',
  namespace_path: 'my-group',
  project_id: '20',
  project_path: 'my-group/my-project',
  user_id: '1',
  user_login: 'sample-user',
  user_email: 'sample-user@example.com',
  user_identities: [{ provider: 'github', extern_uid: '2435223452345' }],
  pipeline_id: '574',
  pipeline_source: 'push',
  job_id: '302',
  ref: 'main',
  ref_type: 'branch',
  ref_path: 'refs/heads/main',
  ref_protected: 'true',
  groups_direct: ['my-group'],
  environment: 'production',
  environment_protected: 'true',
  deployment_tier: 'production',
  environment_action: 'start',
  runner_id: 1,
  runner_environment: 'self-hosted',
  sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  project_visibility: 'public',
  ci_config_ref_uri: 'gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main',
  ci_config_sha: '714a629c0b401fdce83e847fc9589983fc6f46bc',
  sub: 'project_path:my-group/my-project:ref_type:branch:ref:main',
};

/** What a job of Buildkite claims. It has no `jti`. */
export const BUILDKITE_BUILD = {
  sub: 'organization:acme-inc:pipeline:super-app:ref:refs/heads/main:commit:9f3182061f1e2cca4702c368cbc039b7dc9d4485:step:build',
  organization_slug: 'acme-inc',
  pipeline_slug: 'super-app',
  build_number: 1,
  build_branch: 'main',
  build_tag: '',
  build_commit: '9f3182061f1e2cca4702c368cbc039b7dc9d4485',
  build_source: 'webhook',
  step_key: 'build',
  job_id: '0184990a-477b-4fa8-9968-496074483cee',
  agent_id: '0184990a-4782-42b5-afc1-16715b10b8ff',
  organization_id: '0184990a-477b-4fa8-9968-496074483000',
  pipeline_id: '0184990a-477b-4fa8-9968-496074483001',
  runner_environment: 'self-hosted',
};

/** What a projected token of a Kubernetes service account claims. */
export const KUBERNETES_POD = {
  sub: 'system:serviceaccount:ci:agent',
  'kubernetes.io': {
    namespace: 'ci',
    node: { name: 'node-1', uid: '646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1' },
    pod: { name: 'agent-x7k2p', uid: '5e0bd49b-f040-43b0-99b7-22765a53f7f3' },
    serviceaccount: { name: 'agent', uid: '14ee3fa4-a7e2-420f-9f9a-dbc4507c3798' },
    warnafter: 1700003607,
  },
};

/** A sound rule for each of them. */
export const RULES = {
  github_actions: {
    preset: 'github_actions',
    claims: { repository_id: '74', ref: 'refs/heads/main' },
    events: ['push', 'schedule'],
    workflow: 'nightly',
    scopes: ['repo:read'],
  },
  gitlab_ci: {
    preset: 'gitlab_ci',
    claims: { project_id: '20', ref_protected: 'true' },
    workflow: 'nightly',
    scopes: ['repo:read'],
  },
  buildkite: {
    preset: 'buildkite',
    claims: { organization_id: BUILDKITE_BUILD.organization_id, pipeline_id: BUILDKITE_BUILD.pipeline_id },
    workflow: 'nightly',
    scopes: ['repo:read'],
  },
  kubernetes: {
    preset: 'kubernetes',
    issuer: 'https://kubernetes.default.svc.cluster.local',
    claims: { sub: 'system:serviceaccount:ci:agent' },
    workflow: 'nightly',
    scopes: ['repo:read'],
  },
} as const satisfies Record<string, TrustRuleRequest>;
