import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId, newTokenSecret, printId, printToken } from '../../src/rules/format.js';
import { type FoundSecret, findSecrets, OWN_KIND, SECRET_KINDS } from '../../src/rules/secret-scan.js';
import { base62, checksummed, drawn, FORMS, hex, jwt, pem } from './secrets.js';

const NOW = new Date('2026-03-02T09:00:00Z');
const ownToken = () => {
  const id = newId('tok', NOW);
  return { token: printToken({ id, tokenSecret: newTokenSecret() }), publicId: printId('tok', id) };
};
const kinds = (text: string) => findSecrets(text).map(({ kind }) => kind);
const only = (text: string): FoundSecret => {
  const found = findSecrets(text);
  expect(found, text).toHaveLength(1);
  return found[0] as FoundSecret;
};

describe('findSecrets', () => {
  test.each(FORMS)('finds %s, and tells where it stands and nothing of it', (kind, make) => {
    for (let round = 0; round < 20; round += 1) {
      const { before = '', secret } = make();
      // The host of a URL with a password.
      const after = kind === 'url-password' ? '@db.acme.io/x' : '';
      for (const [left, right] of [
        ['', ''],
        ['line one\n  ', '\n'],
        ['{"a":"', '","b":1}'],
        ['ünï\u{1f511} ', ' ü'],
        ['curl\\n', "'"],
        ['x=%3D', '&'],
        ['x\\u003d', ' '],
      ] as const) {
        const text = `${left}${before}${secret}${after}${right}`;
        const found = only(text);
        expect(found).toMatchObject({ kind, index: left.length + before.length, length: secret.length });
        expect(JSON.stringify(found)).not.toContain(secret);
        expect(SECRET_KINDS.get(found.kind)).toBeDefined();
      }
    }
  });

  test.each(FORMS)('does not find %s in a word that goes on', (_kind, make) => {
    const { before = '', secret } = make();
    if (before !== '' || secret.startsWith('-----') || /^(gh|npm)/.test(secret) || secret.includes('/')) return;
    expect(kinds(`x${secret}`)).toEqual([]);
  });

  test('finds tokens of this service by their checksum, with their public id', () => {
    const { token, publicId } = ownToken();
    expect(only(`COUNTERSIGN_TOKEN="${token}"`)).toMatchObject({ kind: OWN_KIND, index: 19, length: 76, publicId });
    expect(findSecrets(`${token}${token}`)).toHaveLength(2);
  });

  test('takes no token whose checksum is not true', () => {
    for (const prefix of ['ghp', 'ghs', 'npm']) {
      const token = checksummed(prefix);
      const last = token.endsWith('0') ? '1' : '0';
      expect(kinds(token)).toHaveLength(1);
      expect(kinds(`${token.slice(0, -1)}${last}`)).toEqual([]);
    }
  });
});

describe('a value that a secret name is given', () => {
  const random = () => `${base62(38)}7x`;

  test.each([
    ['a shell variable', (value: string) => `export STRIPE_SECRET=${value}\n`],
    ['an env file', (value: string) => `API_KEY='${value}'`],
    ['YAML', (value: string) => `  api-key: ${value}\n`],
    ['JSON', (value: string) => `{"client_secret": "${value}"}`],
    ['JSON inside of a string', (value: string) => `"{\\"authToken\\":\\"${value}\\"}"`],
    ['TypeScript', (value: string) => `const accessToken: string = '${value}';`],
    ['Go', (value: string) => `signingKey := "${value}"`],
    ['Ruby', (value: string) => `:secret_token => '${value}'`],
    ['Python', (value: string) => `connect(token="${value}")`],
    ['XML', (value: string) => `<apiKey>${value}</apiKey>`],
    ['a URL query', (value: string) => `/hook?access_token=${value}&x=1`],
    ['an option', (value: string) => `deploy --auth-token=${value} --now`],
    ['a header', (value: string) => `-H "Authorization: Bearer ${value}"`],
    ['a connection string', (value: string) => `Server=db;Pwd=${value};`],
    ['upper case', (value: string) => `DATABASE.PASSWORD=${value}`],
    ['an npmrc', (value: string) => `//registry.acme.io/:_auth=${value}`],
  ])('is found in %s', (_title, write) => {
    for (let round = 0; round < 50; round += 1) {
      const value = random();
      const text = write(value);
      const [found] = findSecrets(text);
      expect(found, text).toMatchObject({ kind: 'assigned-secret', index: text.indexOf(value), length: value.length });
    }
  });

  test('is found as hex too, and as a password that somebody chose', () => {
    expect(kinds(`twilio_auth_token = "${hex(30)}0f"`)).toEqual(['assigned-secret']);
    expect(kinds(`password: "${'Tr0ub4'}dor&3!"`)).toEqual(['assigned-secret']);
    const uuid = `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
    expect(kinds(`HEROKU_API_KEY=${uuid}`)).toEqual(['assigned-secret']);
    expect(kinds(`page_token=${uuid}`)).toEqual([]);
  });

  test.each([
    ...[
      '$STRIPE_SECRET',
      '$\u007bSTRIPE_SECRET_1}',
      '{{ secrets.stripe1 }}',
      '%{stripe_secret_1}',
      '$(cat /run/secrets/a1)',
    ],
    ...['process.env.SECRET_1', 'os.environ["SECRET_1"]', 'getSecret("stripe1")', 'config.stripe.secretKey1', 'null'],
    ...[
      'your-api-key-goes-here-1',
      'changeme-changeme-1',
      'xxxxxxxxxxxxxxxxxxxx1',
      '<the secret of stage 1>',
      '***************1',
    ],
    ...[
      'example-a8f7K2m9Qx81Zp',
      'sk_test_1234567890abcdef',
      'abcdefghijklmnop1234',
      '0123456789abcdef0123456789abcdef',
    ],
    ...[
      'https://vault.acme.io/v1/secret/8f7K2m9Q',
      'arn:aws:secretsmanager:eu-1:1:secret:a8f7K2m9',
      './keys/stage-1/api.key',
    ],
    ...[
      'review-token-of-the-second-runner-2',
      'NextAuthSessionTokenProvider2',
      'refresh_token_expired_at_2',
      'undefined',
    ],
  ])('is not %s', (value) => {
    for (const text of [
      `api_secret="${value}"`,
      `api_secret=${value}`,
      `"api_secret": "${value}",`,
      `api_secret: ${value}\n`,
    ]) {
      expect(kinds(text), text).toEqual([]);
    }
  });

  test.each([
    ...[
      'secret_hash',
      'tokenSha256',
      'secret_name',
      'tokenId',
      'token_url',
      'publicAccessKey',
      'csrf_token',
      'api_key_id',
    ],
    ...['password_digest', 'passwordField', 'secret.fingerprint', 'token_path', 'secretRef', 'token_checksum'],
  ])('is not what %s names', (name) => {
    expect(kinds(`${name} = "${random()}"`)).toEqual([]);
  });

  test.each([
    'if (token.length > 0) return secretOf(token);',
    "import { findTokens } from './tokens/find-2/token.js';",
    'const passwordPattern = /^[a-z0-9]{8,}$/;',
    'function resetPassword(token: ResetToken1, secret: SharedSecret2): void {',
    '| `tokens.digest` | HMAC-SHA-256 of the secret under a key |',
    'password: process.env.DB_PASSWORD_2 ?? defaultPassword2,',
    '"integrity": "sha512-8f7K2m9QxZ1pLk4Jh6Gf3Ds0Aa8f7K2m9QxZ1pLk4Jh6Gf3Ds0Aa=="',
    'password must have at least 8 characters, 1 digit',
    'token=; secret:; apikey',
    'const TOKEN_STRINGS = "[A-Za-z0-9._~+/-]+=*";',
  ])('is not in %s', (text) => {
    expect(kinds(text)).toEqual([]);
  });
});

describe('what is no secret of any kind', () => {
  test.each([
    ['the key of the AWS documentation', `AKIAIOSFODNN7${'EXAMPLE'}`],
    ['a placeholder of a form', `ghp_${'x'.repeat(36)} sk-ant-api03-${'a'.repeat(95)} AIza${'0'.repeat(35)}`],
    ['a public key', pem(`PUBLIC ${'KEY'}`)],
    ['a certificate', pem('CERTIFICATE')],
    ['a private key without its body', `-----BEGIN PRIVATE ${'KEY'}-----\n...\n-----END PRIVATE ${'KEY'}-----`],
    ['a mention of one', `starts with -----BEGIN RSA PRIVATE ${'KEY'}----- and then`],
    ['a git commit', `commit ${hex(40)}\nindex ${hex(7)}..${hex(7)} 100644`],
    ['a UUID', `id: ${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`],
    ['the unsigned JWT of a form', `eyJhbGciOiJIUzI1NiJ9.eyJzdWIi`],
    ['a URL with words', 'http://proxyuser:proxypass@proxy.acme.io:3128 cvs://:pserver:anoncvs@sources.acme.io:/cvs'],
    ['a URL with a port', 'https://db.acme.io:5432/path@x http://user@host:80/'],
    [
      'a URL with the password of a template',
      'postgres://user:password@db.acme.io/x postgres://u:$\u007bPASS_1}@db.acme.io/',
    ],
    ['a URL of this machine', `postgres://agent:${base62(16)}@localhost:5432/agent`],
    ['a URL of RFC 2606', `https://agent:${base62(16)}@db.example.com/`],
    ['an e-mail address in a URL', 'mailto://x, see https://acme.io/:user/@scope/package'],
  ])('is %s', (_title, text) => {
    expect(kinds(text)).toEqual([]);
  });

  test('is text of words, whatever its order', () => {
    const word = fc.constantFrom(
      ...'token secret password = : " \' { } ( ) api_key sk- ghp_ AKIA eyJ :// -----BEGIN Bearer 42 value user @ host \n'.split(
        ' ',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), fc.constantFrom('', ' '), (words, joint) => {
        expect(findSecrets(words.join(joint))).toEqual([]);
      }),
    );
  });
});

test('digits that meet as 0-9 make no placeholder of a token', () => {
  expect(only(`${'xoxb'}-${drawn('1357924680', 11)}0-9${drawn('1357924680', 12)}-${base62(24)}`).kind).toBe(
    'slack-token',
  );
});

describe('a fingerprint', () => {
  test('is the same wherever the secret stands, and another for another', () => {
    for (const [kind, make] of FORMS) {
      const { before = '', secret } = make();
      const after = kind === 'url-password' ? '@db.acme.io/x' : '';
      const name = only(`${before}${secret}${after}`).fingerprint;
      expect(name).toMatch(/^[0-9a-f]{32}$/);
      expect(only(`first\n"${before}${secret}${after}"`).fingerprint).toBe(name);
      expect(only(`${before}${make().secret}${after}`).fingerprint).not.toBe(name);
    }
  });

  test('of a private key does not depend on how it is wrapped', () => {
    const key = pem(`PRIVATE ${'KEY'}`);
    expect(only(key.replaceAll('\n', '\\n')).fingerprint).toBe(only(key).fingerprint);
  });

  test('of what a dictionary may hold tells no more than 12 bits of it', () => {
    const seen = new Set<string>();
    for (let round = 0; round < 20_000; round += 1) {
      for (const { fingerprint } of findSecrets(`password="${drawn('abcdefgh', 6)}A1!x"`)) seen.add(fingerprint);
    }
    expect(seen.size).toBeGreaterThan(3_000);
    expect(seen.size).toBeLessThanOrEqual(4_096);
  });
});

describe('hostile text', () => {
  test.each([
    ['tokens', 'token'],
    ['assignments', 'secret='],
    ['quoted assignments', 'secret="a1'],
    ['JWTs', 'eyJhbGci'],
    ['dots of JWTs', 'eyJhbGciOi.eyJ'],
    ['keys', `-----BEGIN PRIVATE ${'KEY'}-----`],
    ['keys with a body', `-----BEGIN PRIVATE ${'KEY'}-----\n${'A'.repeat(64)}`],
    ['URLs', 's://u:'],
    ['Slack tokens', 'xoxb-1-'],
    ['own tokens', 'cst_'],
    ['names', '_-.token-._'],
    ['blanks', 'token  \t  '],
  ])('of nothing but %s is read in a time that grows with its length alone', (_title, part) => {
    // Were it quadratic, these would be minutes.
    expect(findSecrets(part.repeat(300_000 / part.length)).filter(({ kind }) => kind === OWN_KIND)).toEqual([]);
  });

  test('of any kind is read without a fault', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), jwtOrNothing(), (text, more) => {
        for (const { index, length } of findSecrets(text + more))
          expect(index + length).toBeLessThanOrEqual(text.length + more.length);
      }),
    );
  });
});

function jwtOrNothing() {
  return fc.constantFrom('', jwt(), pem(`PRIVATE ${'KEY'}`), ownToken().token);
}
