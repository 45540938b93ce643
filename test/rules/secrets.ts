import { crc32 } from 'node:zlib';
import { encodeBase62 } from '../../src/rules/format.js';

/** Secrets are made when the tests run, so that none stands in the tree for a scanner to find. */
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const LETTERS = BASE62.slice(10);
const HEX = '0123456789abcdef';
const UPPER_BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const BECH32 = '023456789ACDEFGHJKLMNPQRSTUVWXYZ';

let state = 0x9e3779b9;

/** Characters of an alphabet, drawn anew with each call and the same in each run. */
export function drawn(alphabet: string, length: number): string {
  return Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return alphabet.charAt((state >>> 0) % alphabet.length);
  }).join('');
}

export const base62 = (length: number) => drawn(BASE62, length);
export const hex = (length: number) => drawn(HEX, length);
const base64 = (length: number) => `${base62(length - 2)}+/`;
const digits = (length: number) => drawn('0123456789', length);

/** A token of GitHub's form, its checksum included. */
export function checksummed(prefix: string): string {
  const body = base62(30);
  return `${prefix}_${body}${encodeBase62(BigInt(crc32(body)), 6)}`;
}

/** A private key's block; random, and of no curve. */
export function pem(label: string, joint = '\n'): string {
  const lines = Array.from({ length: 4 }, () => base64(64));
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`].join(joint);
}

export function jwt(payload: object = { sub: base62(8), iat: 1_767_225_600 }): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part(payload)}.${base62(86)}`;
}

/** One of each kind: the kind, and a fresh secret of it with what has to stand before it. */
export const FORMS: readonly (readonly [kind: string, make: () => { before?: string; secret: string }])[] = [
  ...['ghp', 'gho', 'ghu', 'ghs', 'ghr'].map(
    (prefix) => ['github-token', () => ({ secret: checksummed(prefix) })] as const,
  ),
  ['github-token', () => ({ secret: `github_${'pat'}_${base62(22)}_${base62(59)}` })],
  ['gitlab-token', () => ({ secret: `${'glpat'}-${base62(20)}` })],
  ['gitlab-token', () => ({ secret: `${'glpat'}-${base62(27)}.01.${drawn(HEX, 9)}` })],
  ['gitlab-token', () => ({ secret: `${'glrt'}-${base62(20)}` })],
  ['npm-token', () => ({ secret: checksummed('npm') })],
  ['aws-access-key-id', () => ({ secret: `${'AKI'}A${drawn(UPPER_BASE32, 16)}` })],
  ['aws-access-key-id', () => ({ secret: `${'ASI'}A${drawn(UPPER_BASE32, 16)}` })],
  ['aws-secret-key', () => ({ before: 'aws_secret_access_key = ', secret: base62(40) })],
  ['aws-secret-key', () => ({ before: 'SecretAccessKey: ', secret: base64(40) })],
  ['google-api-key', () => ({ secret: `${'AIz'}a${base62(35)}` })],
  ['google-oauth-secret', () => ({ secret: `${'GOCSPX'}-${base62(28)}` })],
  ['google-oauth-token', () => ({ secret: `${'ya29'}.${base62(120)}` })],
  ['slack-token', () => ({ secret: `${'xoxb'}-${digits(12)}-${digits(13)}-${base62(24)}` })],
  ['slack-token', () => ({ secret: `${'xapp'}-1-A${base62(10)}-${digits(13)}-${hex(64)}` })],
  ['slack-webhook', () => ({ secret: `hooks.slack.com/${'services'}/T${digits(9)}/B${digits(9)}/${base62(24)}` })],
  ['discord-webhook', () => ({ secret: `/api/${'webhooks'}/${digits(18)}/${base62(68)}` })],
  ['stripe-key', () => ({ secret: `${'sk_live'}_${base62(24)}` })],
  ['stripe-key', () => ({ secret: `${'rk_live'}_${base62(99)}` })],
  ['stripe-webhook-secret', () => ({ secret: `${'whsec'}_${base62(32)}` })],
  ['openai-key', () => ({ secret: `${'sk-proj'}-${base62(74)}T3Blbk${'FJ'}${base62(74)}` })],
  ['openai-key', () => ({ secret: `sk-${base62(20)}T3Blbk${'FJ'}${base62(20)}` })],
  ['anthropic-key', () => ({ secret: `${'sk-ant'}-api03-${base62(93)}AA` })],
  ['huggingface-token', () => ({ secret: `${'hf'}_${drawn(LETTERS, 34)}` })],
  ['groq-key', () => ({ secret: `${'gsk'}_${base62(52)}` })],
  ['xai-key', () => ({ secret: `${'xai'}-${base62(80)}` })],
  ['pypi-token', () => ({ secret: `${'pypi'}-AgEIcHlwaS5vcmc${base62(120)}` })],
  ['rubygems-key', () => ({ secret: `${'rubygems'}_${hex(48)}` })],
  ['azure-storage-key', () => ({ before: 'AccountName=x;AccountKey=', secret: `${base64(86)}==` })],
  ['azure-shared-access-key', () => ({ before: 'SharedAccessKey=', secret: `${base64(43)}=` })],
  ['azure-client-secret', () => ({ secret: `${base62(3)}8Q${'~'}${base62(34)}` })],
  ['azure-devops-token', () => ({ secret: `${base62(76)}AZ${'DO'}${base62(4)}` })],
  ['sendgrid-key', () => ({ secret: `${'SG'}.${base62(22)}.${base62(43)}` })],
  ['digitalocean-token', () => ({ secret: `${'dop_v1'}_${hex(64)}` })],
  ['docker-token', () => ({ secret: `${'dckr_pat'}_${base62(27)}` })],
  ['databricks-token', () => ({ secret: `${'dap'}i${hex(32)}` })],
  ['shopify-token', () => ({ secret: `${'shpat'}_${hex(32)}` })],
  ['vault-token', () => ({ secret: `${'hvs'}.${base62(90)}` })],
  ['linear-key', () => ({ secret: `${'lin_api'}_${base62(40)}` })],
  ['postman-key', () => ({ secret: `${'PMAK'}-${hex(24)}-${hex(34)}` })],
  ['grafana-token', () => ({ secret: `${'glsa'}_${base62(32)}_${hex(8)}` })],
  ['atlassian-token', () => ({ secret: `${'ATATT'}3${base62(180)}` })],
  ['newrelic-key', () => ({ secret: `${'NRAK'}-${drawn(UPPER_BASE32, 27)}` })],
  ['age-key', () => ({ secret: `AGE-SECRET-${'KEY'}-1${drawn(BECH32, 58)}` })],
  ['jwt', () => ({ secret: jwt() })],
  ['private-key', () => ({ secret: pem(`RSA PRIVATE ${'KEY'}`) })],
  ['private-key', () => ({ secret: pem(`PRIVATE ${'KEY'}`, '\\n') })],
  ['private-key', () => ({ secret: pem(`OPENSSH PRIVATE ${'KEY'}`, '\n    ') })],
  ['private-key', () => ({ secret: pem(`PGP PRIVATE ${'KEY'} BLOCK`) })],
  ['url-password', () => ({ before: 'postgres://agent:', secret: base62(18) })],
];
