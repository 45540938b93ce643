import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';
import type { JobEnd, JobRequest, Platform } from './job.js';
import { DEPLOY, recipe, start } from './place.js';
import { member, readYaml, text, texts } from './yaml.js';

/** The composite action of the recipe. */
export const ACTION = readYaml(recipe('github-actions/action.yml'));
const WORKFLOW = readYaml(recipe('github-actions/agent.yml'));
/** The step of the workflow that uses the action. */
const STEP = member(WORKFLOW, 'jobs', 'review', 'steps', 1);

/** GitHub Actions with the workflow and the composite action of the recipe. */
export const gitHubActions: Platform = {
  title: 'GitHub Actions',
  installs: true,
  context: ({ repository, branch }) => ({ repository, ref: `refs/heads/${branch}`, job: 'review' }),
  run: runWorkflowStep,
};

/** As the runner makes it: one token for all that the job may ask for. */
const REQUEST_TOKEN = 'the-token-of-the-job';

type Values = Readonly<Record<string, string>>;

/** How the step came out, and what the runner was told to mask. */
export interface StepEnd extends JobEnd {
  readonly masks: readonly string[];
}

/** Runs the step by the action, with other inputs than the workflow's where they are given. A job that is not federated has
 *  its token from a secret, as the workflow says that it can. */
export async function runWorkflowStep(request: JobRequest, over: Values = {}): Promise<StepEnd> {
  const known: Values = {
    'vars.COUNTERSIGN_URL': request.url,
    'vars.COUNTERSIGN_PACKAGE': request.installs?.name ?? '',
    'secrets.CODEX_API_KEY': 'the key of the agent',
    'github.event.pull_request.title': request.branch,
  };
  const given = {
    ...Object.fromEntries(texts(STEP, 'with').map(([name, value]) => [name, fill(value, known)])),
    ...(request.identity === undefined ? { federated: 'false', token: request.token } : {}),
    ...over,
  };
  const defaults = Object.entries(member(ACTION, 'inputs') ?? {}).flatMap(([name, input]) =>
    texts(input).flatMap(([key, value]) => (key === 'default' ? [[name, value]] : [])),
  );
  const inputs = { ...Object.fromEntries(defaults), ...given };
  return await runAction(inputs, {
    ...request,
    env: {
      ...request.env,
      ...Object.fromEntries(texts(STEP, 'env').map(([name, value]) => [name, fill(value, known)])),
    },
  });
}

async function runAction(inputs: Values, request: JobRequest): Promise<StepEnd> {
  const { identity } = request;
  if (identity === undefined) return await runSteps(inputs, request, { ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN });
  const endpoint = await tokenEndpoint(identity);
  try {
    return await runSteps(inputs, request, endpoint.variables);
  } finally {
    endpoint.close();
  }
}

/** What a job with `permissions: id-token: write` has: an endpoint that gives tokens to whoever knows the request token. */
async function tokenEndpoint(identity: NonNullable<JobRequest['identity']>) {
  const server = createServer(async (request, response) => {
    const audience = new URL(request.url ?? '', 'http://endpoint').searchParams.get('audience') ?? '';
    const isKnown = request.headers.authorization === `Bearer ${REQUEST_TOKEN}`;
    const body = isKnown ? { count: 1, value: await identity(audience) } : { message: 'who are you?' };
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    variables: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/idtoken?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function runSteps(inputs: Values, request: JobRequest, identity: Values): Promise<StepEnd> {
  const { place } = request;
  const files = temporaryDirectory();
  const summaryFile = join(files, 'summary');
  writeFileSync(summaryFile, '');
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(inputs)) values[`inputs.${name}`] = value;
  let code = 0;
  let log = '';
  const masks: string[] = [];
  for (const [at, step] of Object.entries(member(ACTION, 'runs', 'steps') ?? {})) {
    const { id, shell, run, if: condition } = step as Record<string, string>;
    if (id === undefined || run === undefined || shell !== 'sh') throw new Error(`step ${at} is not by sh`);
    if (condition !== undefined && condition !== 'always()') throw new Error(`a condition: ${condition}`);
    if (code !== 0 && condition === undefined) continue;
    const outputFile = join(files, `output-${id}`);
    const script = join(files, `${id}.sh`);
    writeFileSync(outputFile, '');
    writeFileSync(script, run);
    const running = start(place, ['sh', '-e', script], {
      ...place.env,
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: request.repository,
      GITHUB_REF: `refs/heads/${request.branch}`,
      GITHUB_JOB: 'review',
      GITHUB_BASE_REF: 'main',
      GITHUB_ACTION_PATH: join(DEPLOY, 'github-actions'),
      GITHUB_OUTPUT: outputFile,
      GITHUB_ENV: join(files, 'env'),
      GITHUB_PATH: join(files, 'path'),
      GITHUB_STATE: join(files, 'state'),
      GITHUB_STEP_SUMMARY: summaryFile,
      ...identity,
      RUNNER_TEMP: place.temporary,
      ...request.env,
      ...Object.fromEntries(texts(step, 'env').map(([name, value]) => [name, fill(value, values)])),
    });
    request.onStart?.(running);
    const end = await running.ended;
    log += shownOf(end.stdout, masks) + end.stderr;
    for (const [name, value] of outputsIn(outputFile)) values[`steps.${id}.outputs.${name}`] = value;
    if (code === 0) code = end.code;
  }
  const outputs = Object.keys(member(ACTION, 'outputs') ?? {}).map((name) => {
    return [name, fill(text(ACTION, 'outputs', name, 'value'), values)] as const;
  });
  return { code, log, masks, outputs: Object.fromEntries(outputs), summary: readFileSync(summaryFile, 'utf8') };
}

/** Replaces the expressions of a text. An output that no step gave is empty; anything else has to be known. */
function fill(template: string, values: Values): string {
  return template.replace(/\$\{\{ (\S+) \}\}/g, (_, path: string) => {
    const value = values[path] ?? (/^steps\..+\.outputs\./.test(path) ? '' : undefined);
    if (value === undefined) throw new Error(`nothing is known of ${path}`);
    return value;
  });
}

function outputsIn(path: string): [string, string][] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [, name, value] = /^([a-z-]+)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) throw new Error(`not an output: ${line}`);
    return [name, value];
  });
}

/** What the runner gets to show of what a step printed, before it masks anything. A command that it would carry out,
 *  beside masks, shows up as `carried out: …`. Once commands are stopped they are text. */
function shownOf(stdout: string, masks: string[]): string {
  let isListening = true;
  const shown = stdout.split('\n').map((line) => {
    const [, command, value = ''] = /^::([a-z-]+)(?: .*)?::(.*)$/.exec(line) ?? [];
    if (!isListening || command === undefined) return line;
    if (command === 'add-mask') masks.push(value);
    if (command === 'stop-commands') isListening = false;
    return command === 'stop-commands' || command === 'add-mask' ? '' : `carried out: ${line}`;
  });
  return shown.join('\n');
}
