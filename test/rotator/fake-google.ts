import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '../cli/command-line.js';
import { type Asked, type LoopbackForge, openForge, type Told } from './loopback-forge.js';

/** Google Secret Manager's API by HTTP and JSON as its reference describes the two calls that a sink makes, and the token
 *  service of workload identity federation, which gives the access token that it takes. */
export interface FakeGoogle extends LoopbackForge {
  /** The versions of each secret, the first of which has the number 1. */
  readonly secrets: Map<string, GoogleVersion[]>;
  /** What a rotator has in its environment: a file of credentials of a job, and this address. */
  readonly env: Readonly<Record<string, string>>;
  /** For how many reads yet `latest` is still the version before. */
  lag: number;
  /** Called before a version is added: somebody else may come in between. */
  interfere: (() => void) | undefined;
}

interface GoogleVersion {
  readonly data: Buffer;
  readonly state: 'ENABLED' | 'DISABLED';
  /** Of what is damaged: another checksum than its own. */
  readonly crc?: string;
}

export const GOOGLE_CREDENTIALS = ['the-access-token-of-the-rotator', 'the-jwt-of-the-job'] as const;
const [ACCESS_TOKEN, JOB_TOKEN] = GOOGLE_CREDENTIALS;
const PROJECT = 'acme-ci';
const NUMBER = '4711';
const AUDIENCE = `//iam.googleapis.com/projects/${NUMBER}/locations/global/workloadIdentityPools/ci/providers/github`;
const PATH = new RegExp(
  `^/v1/projects/${PROJECT}/secrets/([A-Za-z0-9_-]+)(?::(addVersion)|/versions/(latest|\\d+):(access))$`,
);
const HEADERS = new Set(
  'accept accept-encoding authorization connection content-length content-type host user-agent x-goog-api-client x-goog-request-params'.split(
    ' ',
  ),
);

/** Written apart from ours: by a table. */
function castagnoli(bytes: Buffer): string {
  const table = Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value >>> 0;
  });
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 255] ?? 0);
  return String((crc ^ 0xffffffff) >>> 0);
}

export function googleRefusal(code: number, status: string, message = 'no'): Told {
  return { status: code, body: { error: { code, message, status } } };
}

export function googleVersion(text: string, given: Partial<GoogleVersion> = {}): GoogleVersion {
  return { data: Buffer.from(text), state: 'ENABLED', ...given };
}

/** Starts it. Close it in `afterAll`. */
export async function openFakeGoogle(): Promise<FakeGoogle> {
  const answer = (asked: Asked): Told => {
    if (asked.url === '/token') return exchange(asked);
    const wrong = faultOf(asked);
    if (wrong !== undefined) return wrong;
    const [, id = '', add, number = ''] = PATH.exec(asked.url.split('?')[0] ?? '') ?? [];
    if ((add === undefined) !== (asked.method === 'GET')) return googleRefusal(404, 'NOT_FOUND');
    const versions = fake.secrets.get(id);
    const named = (at: number) => `projects/${NUMBER}/secrets/${id}/versions/${at}`;
    if (versions === undefined)
      return googleRefusal(404, 'NOT_FOUND', `Secret [${named(0)}] not found or has no versions.`);
    if (add !== undefined) {
      fake.interfere?.();
      const { data, dataCrc32c } = JSON.parse(asked.body).payload;
      const bytes = Buffer.from(data, 'base64');
      if (dataCrc32c !== castagnoli(bytes)) return googleRefusal(400, 'INVALID_ARGUMENT');
      versions.push({ data: bytes, state: 'ENABLED' });
      const name = named(versions.length);
      return { status: 200, body: { name, state: 1, clientSpecifiedPayloadChecksum: true, etag: '"1"' } };
    }
    const isLate = number === 'latest' && fake.lag > 0 && versions.length > 1;
    if (isLate) fake.lag -= 1;
    const at = number === 'latest' ? versions.length - (isLate ? 1 : 0) : Number(number);
    const found = versions[at - 1];
    if (found === undefined) return googleRefusal(404, 'NOT_FOUND');
    if (found.state !== 'ENABLED') return googleRefusal(400, 'FAILED_PRECONDITION', 'is in DISABLED state.');
    const payload = { data: found.data.toString('base64'), dataCrc32c: found.crc ?? castagnoli(found.data) };
    return { status: 200, body: { name: named(at), payload } };
  };
  const forge = await openForge((asked) => answer(asked));
  const directory = temporaryDirectory();
  const [jwt, credentials] = [join(directory, 'jwt'), join(directory, 'credentials.json')];
  writeFileSync(jwt, JOB_TOKEN);
  const file = {
    type: 'external_account',
    audience: AUDIENCE,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${forge.url}/token`,
    credential_source: { file: jwt },
  };
  writeFileSync(credentials, JSON.stringify(file));
  const fake: FakeGoogle = Object.assign(forge, {
    secrets: new Map<string, GoogleVersion[]>(),
    env: {
      GOOGLE_APPLICATION_CREDENTIALS: credentials,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: `${forge.url}/`,
      // No other credentials are looked for on the network.
      METADATA_SERVER_DETECTION: 'none',
    },
    lag: 0,
    interfere: undefined,
  });
  return fake;
}

/** RFC 8693, as Google's token service has it. */
function exchange({ method, headers, body }: Asked): Told {
  const form = Object.fromEntries(new URLSearchParams(body));
  const isRight =
    method === 'POST' &&
    String(headers['content-type']).startsWith('application/x-www-form-urlencoded') &&
    form['grant_type'] === 'urn:ietf:params:oauth:grant-type:token-exchange' &&
    form['audience'] === AUDIENCE &&
    form['scope'] === 'https://www.googleapis.com/auth/cloud-platform' &&
    form['subject_token'] === JOB_TOKEN;
  if (!isRight) return { status: 400, body: { error: 'invalid_grant' } };
  const type = 'urn:ietf:params:oauth:token-type:access_token';
  const answer = { access_token: ACCESS_TOKEN, issued_token_type: type, token_type: 'Bearer', expires_in: 3600 };
  return { status: 200, body: answer };
}

function faultOf({ method, url, headers, body }: Asked): Told | undefined {
  if (headers.authorization !== `Bearer ${ACCESS_TOKEN}`) return googleRefusal(401, 'UNAUTHENTICATED');
  const [path = '', query] = url.split('?');
  const [, id = '', , version] = PATH.exec(path) ?? [];
  if (id === '') return googleRefusal(403, 'PERMISSION_DENIED');
  const parent = `projects/${PROJECT}/secrets/${id}`;
  const routed = version === undefined ? { parent } : { name: `${parent}/versions/${version}` };
  const isRight =
    Object.keys(headers).every((name) => HEADERS.has(name)) &&
    query === '$alt=json%3Benum-encoding=int' &&
    headers['x-goog-request-params'] === String(new URLSearchParams(routed)) &&
    String(headers['x-goog-api-client']).includes('gapic/') &&
    headers['content-type'] === 'application/json' &&
    (method === 'GET' ? body === '' : Object.keys(JSON.parse(body)).join() === 'payload');
  return isRight ? undefined : googleRefusal(400, 'INVALID_ARGUMENT');
}
