import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';
import type { JobEnd, JobRequest, Platform } from './job.js';
import { recipe, start } from './place.js';
import { member, readYaml, text, type Yaml } from './yaml.js';

const POD = member(readYaml(recipe('kubernetes/agent-job.yaml')), 'spec', 'template', 'spec');
const CONTAINER = member(POD, 'containers', 0);
const TOKEN = member(POD, 'volumes', 0, 'projected', 'sources', 0, 'serviceAccountToken');
/** Where the guard looks unless it is told otherwise. */
const DEFAULT_FILE = '/var/run/secrets/tokens/countersign';

/** Kubernetes with the job of the recipe. Its file is elsewhere here: that is said by the variable for it. */
export const kubernetes: Platform = {
  title: 'Kubernetes',
  installs: false,
  context: () => ({}),
  run: runPod,
};

async function runPod({ place, url, identity, env, onStart }: JobRequest): Promise<JobEnd> {
  const mount = member(CONTAINER, 'volumeMounts', 0);
  const file = `${text(mount, 'mountPath')}/${text(TOKEN, 'path')}`;
  if (file !== DEFAULT_FILE || text(mount, 'name') !== text(member(POD, 'volumes', 0), 'name')) {
    throw new Error(`the token is mounted at ${file}`);
  }
  const addressed = [text(member(CONTAINER, 'env', 0), 'value'), text(TOKEN, 'audience')];
  if (new Set(addressed).size !== 1) throw new Error(`the token is for another service: ${addressed.join(', ')}`);
  const here = join(temporaryDirectory(), 'countersign');
  writeFileSync(here, identity === undefined ? '' : await identity(url));
  const [program = '', ...words] = listOf(member(CONTAINER, 'command'));
  const running = start(place, [program, ...words], {
    ...place.env,
    KUBERNETES_SERVICE_HOST: '10.0.0.1',
    COUNTERSIGN_URL: url,
    COUNTERSIGN_ID_TOKEN_FILE: here,
    ...env,
  });
  onStart?.(running);
  const { code, stdout, stderr } = await running.ended;
  return { code, log: stdout + stderr, outputs: {}, summary: '' };
}

function listOf(list: Yaml): string[] {
  return Object.keys(list ?? {}).map((at) => text(list, Number(at)));
}
