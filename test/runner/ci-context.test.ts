import { expect, test } from 'vitest';
import { ciContext } from '../../src/runner/ci-context.js';

const cases: [string, Record<string, string>, Record<string, string>][] = [
  ['outside of CI nothing is told', { GITHUB_REPOSITORY: 'acme/app', CI_PROJECT_PATH: 'acme/app' }, {}],
  [
    'GitHub Actions',
    { GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'acme/app', GITHUB_REF: 'refs/heads/main', GITHUB_JOB: 'review' },
    { repository: 'acme/app', ref: 'refs/heads/main', job: 'review' },
  ],
  [
    'GitHub Actions on a pull request',
    { GITHUB_ACTIONS: 'true', GITHUB_REPOSITORY: 'acme/app', GITHUB_REF: 'refs/pull/7/merge' },
    { repository: 'acme/app', ref: 'refs/pull/7/merge' },
  ],
  [
    'GitLab CI on a branch',
    {
      GITLAB_CI: 'true',
      CI_PROJECT_PATH: 'acme/group/app',
      CI_COMMIT_REF_NAME: 'main',
      CI_ENVIRONMENT_NAME: 'production',
      CI_JOB_NAME: 'review',
    },
    { repository: 'acme/group/app', ref: 'refs/heads/main', environment: 'production', job: 'review' },
  ],
  [
    'GitLab CI on a tag',
    { GITLAB_CI: 'true', CI_PROJECT_PATH: 'acme/app', CI_COMMIT_REF_NAME: 'v1.0', CI_COMMIT_TAG: 'v1.0' },
    { repository: 'acme/app', ref: 'refs/tags/v1.0' },
  ],
  [
    'GitLab CI on a merge request from a fork whose branch is called main',
    {
      GITLAB_CI: 'true',
      CI_PROJECT_PATH: 'acme/app',
      CI_COMMIT_REF_NAME: 'main',
      CI_MERGE_REQUEST_REF_PATH: 'refs/merge-requests/3/head',
    },
    { repository: 'acme/app', ref: 'refs/merge-requests/3/head' },
  ],
  [
    'Buildkite with an SSH remote',
    {
      BUILDKITE: 'true',
      BUILDKITE_REPO: 'git@github.com:acme/app.git',
      BUILDKITE_BRANCH: 'main',
      BUILDKITE_PULL_REQUEST: 'false',
      BUILDKITE_STEP_KEY: 'review',
    },
    { repository: 'github.com/acme/app', ref: 'refs/heads/main', job: 'review' },
  ],
  [
    'Buildkite with an https remote that holds a user and a port, on a tag',
    {
      BUILDKITE: 'true',
      BUILDKITE_REPO: 'https://bot:pw@git.example.com:8443/acme/app.git',
      BUILDKITE_BRANCH: 'v1',
      BUILDKITE_TAG: 'v1',
    },
    { repository: 'git.example.com/acme/app', ref: 'refs/tags/v1' },
  ],
  [
    'Buildkite on a pull request from a fork whose branch is called main',
    {
      BUILDKITE: 'true',
      BUILDKITE_REPO: 'ssh://git@github.com/acme/app',
      BUILDKITE_BRANCH: 'main',
      BUILDKITE_PULL_REQUEST: '9',
    },
    { repository: 'github.com/acme/app', ref: 'refs/pull/9/head' },
  ],
];

test.each(cases)('%s', (_title, env, expected) => {
  expect(ciContext(env)).toEqual(expected);
});
