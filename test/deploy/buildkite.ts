import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';
import type { JobEnd, JobRequest, Platform } from './job.js';
import { DEPLOY, type End, recipe, start, writeProgram } from './place.js';
import { member, readYaml, text } from './yaml.js';

const PIPELINE = readYaml(recipe('buildkite/pipeline.yml'));
const ACCESS_TOKEN = 'the token of the job';
const HOOKS = join(DEPLOY, 'buildkite/countersign/hooks');

/** Buildkite with the step and the plugin of the recipe. */
export const buildkite: Platform = {
  title: 'Buildkite',
  installs: true,
  context: ({ repository, branch, identity }) => ({
    repository: `github.com/${repository}`,
    ref: `refs/heads/${branch}`,
    job: text(stepOf(identity), 'key'),
  }),
  run: runStep,
};

/** The first step is federated, the second has a stored token. */
function stepOf(identity: JobRequest['identity']) {
  return member(PIPELINE, 'steps', identity === undefined ? 1 : 0);
}

async function runStep(request: JobRequest): Promise<JobEnd> {
  const { place, installs, identity } = request;
  const step = stepOf(identity);
  const agent = {
    ...place.env,
    ...(identity === undefined ? { COUNTERSIGN_TOKEN: request.token } : await agentOf(request, identity)),
    BUILDKITE: 'true',
    BUILDKITE_REPO: `git@github.com:${request.repository}.git`,
    BUILDKITE_BRANCH: request.branch,
    BUILDKITE_PULL_REQUEST: 'false',
    BUILDKITE_STEP_KEY: text(step, 'key'),
    BUILDKITE_AGENT_ACCESS_TOKEN: ACCESS_TOKEN,
    COUNTERSIGN_URL: request.url,
    ...(installs === undefined
      ? {}
      : {
          BUILDKITE_PLUGIN_COUNTERSIGN_PACKAGE: installs.name,
          BUILDKITE_PLUGIN_COUNTERSIGN_VERSION: installs.version,
        }),
    ...request.env,
  };
  const before = await runHook('pre-command', request, agent);
  if (before.end.code !== 0) return jobEnd(before.end.code, [before.end]);
  const running = start(place, ['/bin/bash', '-e', '-c', text(step, 'command')], before.env);
  request.onStart?.(running);
  const command = await running.ended;
  const after = await runHook('pre-exit', request, before.env);
  return jobEnd(command.code || after.end.code, [before.end, command, after.end]);
}

/** Puts an agent on the `PATH` that gives one token, for the service, and only to whoever has its access token. */
async function agentOf({ place, url }: JobRequest, identity: NonNullable<JobRequest['identity']>) {
  const files = temporaryDirectory();
  const wanted = `oidc request-token --audience ${url}`;
  writeProgram(
    join(files, 'buildkite-agent'),
    `#!/bin/sh\n[ "$*" = '${wanted}' ] && [ "$BUILDKITE_AGENT_ACCESS_TOKEN" = '${ACCESS_TOKEN}' ] && echo '${await identity(url)}'\n`,
  );
  return { PATH: `${place.env['PATH']}:${files}` };
}

type Environment = Readonly<Record<string, string>>;

// As the agent wraps it: the hook is sourced, and what it exported is handed on.
async function runHook(name: string, { place }: JobRequest, env: Environment): Promise<{ end: End; env: Environment }> {
  const files = temporaryDirectory();
  const wrapper = join(files, 'wrapper');
  const dump = join(files, 'env');
  writeFileSync(
    wrapper,
    `. "${join(HOOKS, name)}"\nexport BUILDKITE_HOOK_EXIT_STATUS=$?\nenv -0 >"${dump}"\nexit $BUILDKITE_HOOK_EXIT_STATUS\n`,
  );
  const end = await start(place, ['/bin/bash', wrapper], env).ended;
  if (end.code !== 0) return { end, env };
  const pairs = readFileSync(dump, 'utf8').split('\0').slice(0, -1);
  return {
    end,
    env: Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)])),
  };
}

function jobEnd(code: number, ends: readonly End[]): JobEnd {
  return { code, log: ends.map(({ stdout, stderr }) => stdout + stderr).join(''), outputs: {}, summary: '' };
}
