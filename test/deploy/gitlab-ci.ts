import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';
import type { JobEnd, JobRequest, Platform } from './job.js';
import { recipe, start } from './place.js';
import { member, readYaml, text, type Yaml } from './yaml.js';

const TEMPLATE = readYaml(recipe('gitlab-ci/countersign.yml'));
const HIDDEN = member(TEMPLATE, '.countersign');
const PIPELINE = readYaml(recipe('gitlab-ci/agent.yml'));

/** GitLab CI with the job of the recipe and the template that it extends, by a runner whose images have that shell. */
export function gitLabCi(shell: 'bash' | 'sh'): Platform {
  return {
    title: `GitLab CI by ${shell}`,
    installs: true,
    context: ({ repository, branch }) => ({ repository, ref: `refs/heads/${branch}`, job: 'agent-review' }),
    run: (request) => runJob(shell, request),
  };
}

// As the runner writes it: one shell for both lists, in which the first line that fails ends the job. Without the flag
// that the recipe sets there are no parentheses, and bash makes an exit code of 1 of any other.
async function runJob(shell: 'bash' | 'sh', request: JobRequest): Promise<JobEnd> {
  const job = member(PIPELINE, request.identity === undefined ? 'agent-review-stored' : 'agent-review');
  if (text(job, 'extends') !== '.countersign') throw new Error('the job does not extend the template');
  const lines = [...listOf(member(HIDDEN, 'before_script')), ...listOf(member(job, 'script'))];
  const isNew = text(HIDDEN, 'variables', 'FF_USE_NEW_BASH_EVAL_STRATEGY') === 'true';
  const files = temporaryDirectory();
  writeFileSync(join(files, 'script'), lines.join('\n'));
  const options = shell === 'bash' ? 'set -eo pipefail\nset +o noclobber\n' : 'set -e\n';
  const evaluation = `eval "$(cat '${join(files, 'script')}')"`;
  writeFileSync(join(files, 'job'), `${options}: | ${isNew ? `(${evaluation})` : evaluation}\nexit 0\n`);
  const { place, installs } = request;
  const running = start(place, [shell, join(files, 'job')], {
    ...place.env,
    GITLAB_CI: 'true',
    CI_PROJECT_PATH: request.repository,
    CI_COMMIT_REF_NAME: request.branch,
    CI_JOB_NAME: 'agent-review',
    CI_JOB_TOKEN: 'the token of the job',
    COUNTERSIGN_URL: request.url,
    ...(request.identity === undefined
      ? { COUNTERSIGN_TOKEN: request.token }
      : await idTokens(member(job, 'id_tokens'), request.identity, request.url)),
    ...(installs === undefined ? {} : { COUNTERSIGN_PACKAGE: installs.name, COUNTERSIGN_VERSION: installs.version }),
    ...request.env,
  });
  request.onStart?.(running);
  const { code, stdout, stderr } = await running.ended;
  return { code, log: stdout + stderr, outputs: {}, summary: '' };
}

/** The variables of `id_tokens`, in whose audiences GitLab puts the values of CI/CD variables. */
async function idTokens(list: Yaml, identity: NonNullable<JobRequest['identity']>, url: string) {
  const tokens = Object.keys(list ?? {}).map(async (name) => {
    return [name, await identity(text(list, name, 'aud').replace('$COUNTERSIGN_URL', url))] as const;
  });
  return Object.fromEntries(await Promise.all(tokens));
}

function listOf(list: Parameters<typeof member>[0]): string[] {
  return Object.keys(list ?? {}).map((at) => text(list, Number(at)));
}
