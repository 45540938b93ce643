import { z } from 'zod';
import { VERSION } from '../version.js';
import { askForge, type Forge, type Pause, pauseByClock, strange } from './forge.js';
import { environmentPlace, type GitHubPlace, organisationPlace, repositoryPlace } from './github-place.js';
import { sealFor } from './sealed-box.js';
import { type Environment, type Sink, SinkError } from './sink.js';
import { credentialOf, sinkAddress } from './sink-call.js';

const GITHUB = 'https://api.github.com';
const API_VERSION = '2022-11-28';
const NOT_STORED = 'the secret cannot be stored in this form or under this name';
const REASONS: Forge['reasons'] = {
  401: 'the token in GH_TOKEN or GITHUB_TOKEN is not valid',
  403: 'the token may not read and write the secret',
  404: 'there is no such place, or the token may not see it',
  409: NOT_STORED,
  422: NOT_STORED,
};
const PAGE_SIZE = 100;
const MOST_PAGES = 100;
/** How often a write is looked for, a second apart: a read may come from a copy that lags behind. */
const LOOKS = 5;

const publicKeyAnswer = z.object({ key_id: z.string().min(1).max(200), key: z.string().max(100) });
type PublicKey = z.infer<typeof publicKeyAnswer>;
const secretAnswer = z.object({
  name: z.string(),
  updated_at: z.string(),
  visibility: z.enum(['all', 'private', 'selected']).optional(),
});
type SecretAnswer = z.infer<typeof secretAnswer>;
const repositoriesAnswer = z.object({
  total_count: z.int().nonnegative(),
  repositories: z.array(z.object({ id: z.int().positive() })),
});

/** `github:OWNER/REPO/NAME`: a secret of GitHub Actions of a repository, made when it is not there. */
export function repositorySecret(rest: string, name: string, env: Environment, pause?: Pause): Sink {
  return secretAt(repositoryPlace(rest), name, env, pause);
}

/** `github-env:OWNER/REPO/ENVIRONMENT/NAME`: a secret of an environment of a repository, made when it is not there. */
export function environmentSecret(rest: string, name: string, env: Environment, pause?: Pause): Sink {
  return secretAt(environmentPlace(rest), name, env, pause);
}

/** `github-org:ORG/NAME`: a secret of an organisation. Who may read it stays as it is, and for that it has to be there. */
export function organisationSecret(rest: string, name: string, env: Environment, pause?: Pause): Sink {
  return secretAt(organisationPlace(rest), name, env, pause);
}

/** The token is `GH_TOKEN` or `GITHUB_TOKEN`, the API `GITHUB_API_URL` (a job has it) or https://api.github.com. GitHub shows
 *  a secret to nobody, so that there is no reading back: a write is over when GitHub tells that the secret changed. */
function secretAt(place: GitHubPlace, name: string, env: Environment, pause: Pause = pauseByClock): Sink {
  const token = env['GH_TOKEN'] || env['GITHUB_TOKEN'];
  const forge: Forge = {
    name: 'GitHub',
    url: sinkAddress(env['GITHUB_API_URL'] || GITHUB, 'GITHUB_API_URL'),
    headers: {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${credentialOf(token, 'GH_TOKEN or GITHUB_TOKEN')}`,
      'user-agent': `countersign/${VERSION}`,
      'x-github-api-version': API_VERSION,
    },
    reasons: REASONS,
    pause,
  };
  return {
    name,
    describe: () => place.description,
    write: async (secret, signal) => {
      const before = await metadata(forge, place, signal);
      const audience = place.isOrganisations ? await audienceOf(forge, place, before, signal) : {};
      await put(forge, place, secret, audience, signal);
      await seeChanged(forge, place, before, signal);
    },
  };
}

/** Encrypts and stores the secret; with another key when the first one is not the place's any more. */
async function put(forge: Forge, place: GitHubPlace, secret: string, audience: object, signal: AbortSignal) {
  const store = async ({ key_id, key }: PublicKey, alsoTaken: readonly number[]) => {
    const encrypted_value = await sealFor(key, secret);
    if (encrypted_value === undefined) throw strange(forge, 'its key is none to encrypt for');
    const json = { encrypted_value, key_id, ...audience };
    const path = `${place.path}/${place.secretName}`;
    return (await askForge(forge, { method: 'PUT', path, json, alsoTaken }, signal)).status;
  };
  const key = await publicKey(forge, place, signal);
  const status = await store(key, [409, 422]);
  if (status < 300) return;
  const other = await publicKey(forge, place, signal);
  if (other.key_id === key.key_id) throw new SinkError(`GitHub refused it (${status}): ${NOT_STORED}`);
  await store(other, []);
}

/** Waits until the secret is of another time than before. Times are of seconds: two writes within one look like none. */
async function seeChanged(forge: Forge, place: GitHubPlace, before: SecretAnswer | undefined, signal: AbortSignal) {
  for (let look = 1; ; look += 1) {
    const after = await metadata(forge, place, signal);
    if (after !== undefined && after.updated_at !== before?.updated_at) return;
    if (look === LOOKS) throw new SinkError('GitHub took the secret, but does not show that it changed');
    await forge.pause(1000, signal);
  }
}

async function metadata(forge: Forge, place: GitHubPlace, signal: AbortSignal): Promise<SecretAnswer | undefined> {
  const path = `${place.path}/${place.secretName}`;
  const answer = await askForge(forge, { method: 'GET', path, alsoTaken: [404] }, signal);
  if (answer.status === 404) return undefined;
  const secret = secretAnswer.safeParse(answer.body);
  if (secret.success && secret.data.name.toUpperCase() === place.secretName.toUpperCase()) return secret.data;
  throw strange(forge, 'it describes another secret');
}

async function publicKey(forge: Forge, place: GitHubPlace, signal: AbortSignal): Promise<PublicKey> {
  const { body } = await askForge(forge, { method: 'GET', path: `${place.path}/public-key` }, signal);
  const key = publicKeyAnswer.safeParse(body);
  if (key.success) return key.data;
  throw strange(forge, 'it has no public key');
}

/** Who may read an organisation's secret, to be sent again: GitHub takes what is left out of a write for nobody. Refuses to
 *  make a secret that is not there: who may read it is not for a rotation to say. */
async function audienceOf(forge: Forge, place: GitHubPlace, secret: SecretAnswer | undefined, signal: AbortSignal) {
  if (secret === undefined) {
    throw new SinkError(
      'the organisation has no such secret, or the token may not see it: make it first, for the repositories that may read it',
    );
  }
  const { visibility } = secret;
  if (visibility === undefined) throw strange(forge, 'it does not tell who may read the secret');
  if (visibility !== 'selected') return { visibility };
  return { visibility, selected_repository_ids: await selectedRepositories(forge, place, signal) };
}

async function selectedRepositories(forge: Forge, place: GitHubPlace, signal: AbortSignal): Promise<number[]> {
  const path = `${place.path}/${place.secretName}/repositories`;
  const ids: number[] = [];
  for (let page = 1; page <= MOST_PAGES; page += 1) {
    const query = { per_page: String(PAGE_SIZE), page: String(page) };
    const some = repositoriesAnswer.safeParse((await askForge(forge, { method: 'GET', path, query }, signal)).body);
    if (!some.success) throw strange(forge, 'it lists no repositories');
    ids.push(...some.data.repositories.map(({ id }) => id));
    if (ids.length >= some.data.total_count) return ids;
    if (some.data.repositories.length === 0) break;
  }
  // A repository that is left out would lose the secret.
  throw strange(forge, 'its list of repositories has no end');
}
