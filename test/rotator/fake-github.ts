import sodium from 'libsodium-wrappers';
import { type Asked, type LoopbackForge, openForge, type Told } from './loopback-forge.js';

/** GitHub's API of Actions secrets, as its reference describes it: of repositories, environments and organisations. */
export interface FakeGitHub extends LoopbackForge {
  readonly secrets: Map<string, StoredSecret>;
  /** Another key pair from now on; the one before is known no more. */
  rotateKey(): void;
  /** Makes a secret that was there before, by the path of its API. */
  seed(path: string, secret?: Partial<StoredSecret>): void;
}

export interface StoredSecret {
  /** Decrypted with the private key. */
  value: string;
  updatedAt: string;
  visibility?: 'all' | 'private' | 'selected';
  repositories?: readonly number[];
}

/** The token that it takes. */
export const GITHUB_CREDENTIAL = 'github_pat_of_the_rotator';

const PUT_NEEDS_VISIBILITY = /^\/orgs\//;
const SECRETS =
  /^(\/repos\/acme\/[^/]+\/actions\/secrets|\/repos\/acme\/[^/]+\/environments\/[^/]+\/secrets|\/orgs\/acme\/actions\/secrets)\/([^/]+)(\/repositories)?$/;

/** Starts one. Close it in `afterAll`. */
export async function openFakeGitHub(): Promise<FakeGitHub> {
  await sodium.ready;
  let pair = sodium.crypto_box_keypair();
  let keyNumber = 568_250_167_242_549_743n;
  // A clock of its own: each write is of another second.
  let seconds = Date.parse('2026-11-25T12:00:00Z') / 1000;
  const secrets = new Map<string, StoredSecret>();
  const time = () => {
    seconds += 1;
    return new Date(seconds * 1000).toISOString().replace('.000', '');
  };

  const answer = (asked: Asked): Told => {
    const [path = '', query = ''] = asked.url.split('?');
    if (!isWellFormed(asked)) return { status: 400, body: { message: 'a header is missing' } };
    if (asked.headers.authorization !== `Bearer ${GITHUB_CREDENTIAL}`) {
      return { status: 401, body: { message: 'Bad credentials', status: '401' } };
    }
    const [, owner, name = '', repositories] = SECRETS.exec(path) ?? [];
    if (owner === undefined) return { status: 404, body: { message: 'Not Found', status: '404' } };
    if (name === 'public-key' && asked.method === 'GET') {
      const key = Buffer.from(pair.publicKey).toString('base64');
      return { status: 200, body: { key_id: String(keyNumber), key } };
    }
    const at = `${owner}/${name.toUpperCase()}`;
    const stored = secrets.get(at);
    if (asked.method === 'GET' && stored === undefined) return { status: 404, body: { message: 'Not Found' } };
    if (asked.method === 'GET' && repositories !== undefined) return repositoriesOf(stored, query);
    if (asked.method === 'GET') return { status: 200, body: presented(at, stored) };
    if (asked.method !== 'PUT' || repositories !== undefined) return { status: 404, body: { message: 'Not Found' } };
    const { encrypted_value, key_id, visibility, selected_repository_ids: ids, ...other } = JSON.parse(asked.body);
    if (key_id !== String(keyNumber)) return { status: 422, body: { message: 'key_id is invalid', status: '422' } };
    const needsVisibility = PUT_NEEDS_VISIBILITY.test(path);
    const isWrong =
      (visibility !== undefined) !== needsVisibility || (ids !== undefined) !== (visibility === 'selected');
    if (isWrong || Object.keys(other).length > 0) return { status: 422, body: { message: 'Invalid request.' } };
    secrets.set(at, {
      value: opened(encrypted_value),
      updatedAt: time(),
      ...(needsVisibility ? { visibility, repositories: ids } : {}),
    });
    return stored === undefined ? { status: 201, body: {} } : { status: 204 };
  };

  const opened = (encrypted: string) =>
    Buffer.from(
      sodium.crypto_box_seal_open(Buffer.from(encrypted, 'base64'), pair.publicKey, pair.privateKey),
    ).toString('utf8');

  const forge = await openForge(answer);
  return Object.assign(forge, {
    secrets,
    rotateKey: () => {
      pair = sodium.crypto_box_keypair();
      keyNumber += 1n;
    },
    seed: (path: string, secret: Partial<StoredSecret> = {}) => {
      secrets.set(path, { value: 'the old one', updatedAt: time(), ...secret });
    },
  });
}

function isWellFormed({ method, headers }: Asked): boolean {
  return (
    headers.accept === 'application/vnd.github+json' &&
    headers['x-github-api-version'] === '2022-11-28' &&
    /^countersign\/\d/.test(headers['user-agent'] ?? '') &&
    (headers['content-type'] === 'application/json') === (method === 'PUT')
  );
}

function presented(at: string, stored: StoredSecret | undefined) {
  const times = { created_at: '2026-01-01T00:00:00Z', updated_at: stored?.updatedAt };
  const audience = stored?.visibility === undefined ? {} : { visibility: stored.visibility };
  return { name: at.split('/').at(-1), ...times, ...audience };
}

function repositoriesOf(stored: StoredSecret | undefined, query: string): Told {
  const all = stored?.repositories ?? [];
  const asked = new URLSearchParams(query);
  const size = Number(asked.get('per_page') ?? 30);
  const start = (Number(asked.get('page') ?? 1) - 1) * size;
  const repositories = all.slice(start, start + size).map((id) => ({ id, name: `repository-${id}` }));
  return { status: 200, body: { total_count: all.length, repositories } };
}
