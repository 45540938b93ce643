import type { ExecContext } from '../sdk/index.js';

type Environment = Readonly<Record<string, string | undefined>>;
type Place = Pick<ExecContext, 'repository' | 'ref' | 'environment' | 'job'>;

interface Platform {
  readonly name: string;
  /** The variable that says that the job runs there. */
  readonly sign: string;
  read(env: Environment): Place;
}

// A request from a fork carries a branch name that its author chose: where a platform says that the job is for such a
// request, the request's own ref is told, never that name.
const PLATFORMS: readonly Platform[] = [
  {
    name: 'GitHub Actions',
    sign: 'GITHUB_ACTIONS',
    read: (env) => ({ repository: env['GITHUB_REPOSITORY'], ref: env['GITHUB_REF'], job: env['GITHUB_JOB'] }),
  },
  {
    name: 'GitLab CI',
    sign: 'GITLAB_CI',
    read: (env) => ({
      repository: env['CI_PROJECT_PATH'],
      ref: env['CI_MERGE_REQUEST_REF_PATH'] || namedRef(env['CI_COMMIT_TAG'], env['CI_COMMIT_REF_NAME']),
      environment: env['CI_ENVIRONMENT_NAME'],
      job: env['CI_JOB_NAME'],
    }),
  },
  {
    name: 'Buildkite',
    sign: 'BUILDKITE',
    read: (env) => ({
      repository: repositoryOf(env['BUILDKITE_REPO']),
      ref: pullRef(env['BUILDKITE_PULL_REQUEST']) ?? namedRef(env['BUILDKITE_TAG'], env['BUILDKITE_BRANCH']),
      job: env['BUILDKITE_STEP_KEY'] || env['BUILDKITE_LABEL'],
    }),
  },
];

/** What the variables of a well-known CI platform tell of the job. Empty outside of one. What they tell is a claim of
 *  the job's own, as flags are. */
export function ciContext(env: Environment): Place {
  const place = PLATFORMS.find((platform) => isSet(env[platform.sign]))?.read(env) ?? {};
  return Object.fromEntries(Object.entries(place).filter(([, value]) => value !== undefined && value !== ''));
}

/** Whether a platform's variable says something, and not that something is absent. */
export function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== 'false';
}

function namedRef(tag: string | undefined, branch: string | undefined): string | undefined {
  if (tag) return `refs/tags/${tag}`;
  return branch ? `refs/heads/${branch}` : undefined;
}

function pullRef(number: string | undefined): string | undefined {
  return isSet(number) ? `refs/pull/${number}/head` : undefined;
}

/** `host/owner/name` of a Git URL in either of its spellings, `git@host:owner/name.git` and `https://host/owner/name`. */
function repositoryOf(remote: string | undefined): string | undefined {
  if (remote === undefined) return undefined;
  const [, host, path] =
    /^[a-z+]+:\/\/(?:[^@/]*@)?([^/:]+)(?::\d+)?\/(.+)$/i.exec(remote) ??
    /^(?:[^@/]*@)([^/:]+):(.+)$/.exec(remote) ??
    [];
  if (host === undefined || path === undefined) return undefined;
  return `${host}/${path
    .replace(/^\/+/, '')
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')}`;
}
