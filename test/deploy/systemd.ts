import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MAIN, temporaryDirectory } from '../cli/command-line.js';
import type { JobEnd, JobRequest, Platform } from './job.js';
import { recipe, start } from './place.js';

const UNIT = recipe('systemd/countersign-agent@.service');
const FEDERATED = recipe('systemd/federated.conf');
const CONF = recipe('systemd/agent.conf');
const FRESH_JWT = '/run/identity/countersign.jwt';

/** systemd with the unit and the environment file of the recipe. What the unit finds in `/opt` is where it was built. */
export const systemd: Platform = {
  title: 'systemd',
  installs: false,
  context: ({ repository, branch }) => ({ repository, ref: `refs/heads/${branch}` }),
  run: runUnit,
};

async function runUnit(request: JobRequest): Promise<JobEnd> {
  const { place } = request;
  const credentials = temporaryDirectory();
  const unit = request.identity === undefined ? UNIT : `${UNIT}\n${FEDERATED}`;
  const entries = (name: string) => entriesIn(unit, name);
  writeFileSync(join(credentials, 'token'), `${request.token}\n`);
  if (request.identity !== undefined) writeFileSync(join(credentials, 'jwt'), await request.identity(request.url));
  mkdirSync(join(place.checkout, 'state'), { recursive: true });
  const conf = settings(CONF, {
    COUNTERSIGN_URL: request.url,
    REPOSITORY: request.repository,
    REF: `refs/heads/${request.branch}`,
    COMMAND: './review.sh',
  });
  const specifiers = (value: string) =>
    value.replaceAll('%d', credentials).replaceAll('%i', 'review').replace(FRESH_JWT, join(credentials, 'jwt'));
  const env: Record<string, string> = { ...place.env, CREDENTIALS_DIRECTORY: credentials, ...request.env };
  for (const line of entries('Environment').map(specifiers))
    env[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  Object.assign(env, conf, { PATH: place.env['PATH'], HOME: place.env['HOME'] });
  for (const name of entries('UnsetEnvironment')) delete env[name];
  const [program = '', ...words] = (entries('ExecStart')[0] ?? '')
    .split(/\s+/)
    .map(specifiers)
    .map(movedHere(place.checkout));
  const running = start(place, [program, ...words.flatMap((word) => expanded(word, env))], env);
  request.onStart?.(running);
  const { code, stdout, stderr } = await running.ended;
  return { code, log: stdout + stderr, outputs: {}, summary: '' };
}

/** The values of a directive of the unit, in their order. An empty one takes back those before it. */
function entriesIn(unit: string, name: string): string[] {
  const lines = unit.replace(/\\\n\s*/g, '').split('\n');
  const values = lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
  return values.slice(values.lastIndexOf('') + 1);
}

function movedHere(checkout: string): (word: string) => string {
  const places: readonly [string, string][] = [
    ['/usr/bin/node', process.execPath],
    ['/opt/countersign/dist/bin/countersign.js', MAIN],
    ['/var/lib/countersign-agents/review', join(checkout, 'state')],
  ];
  return (word) => places.reduce((moved, [from, to]) => moved.replace(from, to), word);
}

// systemd.service(5): `${NAME}` stands for one word or a part of one, `$NAME` alone for as many as its value has.
function expanded(word: string, env: Readonly<Record<string, string>>): string[] {
  const [, name] = /^\$([A-Z_]+)$/.exec(word) ?? [];
  if (name !== undefined) return (env[name] ?? '').split(/\s+/).filter((part) => part !== '');
  return [word.replace(/\$\{([A-Z_]+)\}/g, (_, one: string) => env[one] ?? '')];
}

/** The variables of the environment file, some of them with other values. */
function settings(text: string, over: Readonly<Record<string, string>>): Record<string, string> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const found = lines.map((line) => {
    const [, name = '', value = ''] = /^([A-Z_]+)=([^"'\\]*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not a setting: ${line}`);
    return [name, over[name] ?? value] as const;
  });
  return Object.fromEntries(found);
}
