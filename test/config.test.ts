import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.js';
import { generateSigningKey } from '../src/http/jwt.js';

let directory: string;
let signingKeys: string;
let otherKey: Record<string, unknown>;
const pepper = `p1:${randomBytes(32).toString('base64')}`;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'countersign-config-'));
  signingKeys = JSON.stringify({ keys: [await generateSigningKey()] });
  otherKey = { ...(await generateSigningKey()) };
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Environment = Record<string, string>;
const external = (): Environment => ({
  DATABASE_URL: 'postgres://user:hunter2@db.example/app',
  COUNTERSIGN_PEPPER: pepper,
  COUNTERSIGN_SIGNING_KEYS: signingKeys,
});

/** The one line that a bad value stops the start with. */
function refusalOf(environment: Environment): string {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    const { message } = error as Error;
    expect(message).not.toMatch(/[\r\n]/);
    return message;
  }
  throw new Error(`${Object.keys(environment).join(', ')}: accepted`);
}

describe('defaults', () => {
  it('are those of a service on this machine alone', () => {
    expect(readConfig({})).toEqual({
      databaseUrl: undefined,
      databaseDirectUrl: undefined,
      databasePrepare: true,
      host: '127.0.0.1',
      port: 8787,
      workers: 1,
      dataDir: join(process.cwd(), '.countersign'),
      revocationJournal: join(process.cwd(), '.countersign/revocations'),
      startsWithoutJournal: false,
      peppers: undefined,
      signingKeys: undefined,
      issuer: undefined,
      trustedProxies: [],
      allowedPrivateNetworks: [],
      githubKeysUrl: undefined,
      gitlabToken: undefined,
      logLevel: 'info',
      oidc: undefined,
      mail: undefined,
    });
  });

  it('hold for variables that are empty, and others are not read', () => {
    const names = [
      'DATABASE_URL',
      'HOST',
      'PORT',
      'COUNTERSIGN_PEPPER',
      'COUNTERSIGN_PEPPER_FILE',
      'COUNTERSIGN_TRUSTED_PROXIES',
      'LOG_LEVEL',
    ];
    expect(readConfig({ ...Object.fromEntries(names.map((name) => [name, ''])), PGHOST: 'x' })).toEqual(readConfig({}));
  });
});

describe('a value', () => {
  it('of each variable is read', () => {
    const [key] = (JSON.parse(signingKeys) as { keys: unknown[] }).keys;
    const config = readConfig({
      ...external(),
      DATABASE_DIRECT_URL: 'postgresql://direct.example/app',
      DATABASE_PREPARE: 'false',
      HOST: '::1',
      PORT: '0',
      COUNTERSIGN_WORKERS: '4',
      COUNTERSIGN_DATA_DIR: '/var/lib/countersign',
      COUNTERSIGN_REVOCATION_JOURNAL: '/var/lib/journal',
      COUNTERSIGN_START_WITHOUT_JOURNAL: 'yes-revoked-tokens-may-live',
      COUNTERSIGN_PEPPER: `${pepper}, p0:${randomBytes(32).toString('base64')}`,
      COUNTERSIGN_ISSUER: 'https://tokens.example/base/',
      COUNTERSIGN_TRUSTED_PROXIES: '10.0.0.0/8, fd00::/8',
      COUNTERSIGN_ALLOWED_PRIVATE_NETWORKS: '192.168.4.0/24',
      COUNTERSIGN_GITHUB_KEYS_URL: 'https://github.acme.example/keys',
      COUNTERSIGN_GITLAB_REVOCATION_TOKEN: 'g'.repeat(32),
      LOG_LEVEL: 'silent',
    });
    expect(config).toMatchObject({
      databaseUrl: external()['DATABASE_URL'],
      databaseDirectUrl: 'postgresql://direct.example/app',
      databasePrepare: false,
      host: '::1',
      port: 0,
      workers: 4,
      dataDir: '/var/lib/countersign',
      revocationJournal: '/var/lib/journal',
      startsWithoutJournal: true,
      issuer: 'https://tokens.example/base',
      trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
      allowedPrivateNetworks: ['192.168.4.0/24'],
      githubKeysUrl: 'https://github.acme.example/keys',
      gitlabToken: 'g'.repeat(32),
      logLevel: 'silent',
      signingKeys: { keys: [key] },
    });
    expect(config.peppers?.map(({ kid, key }) => [kid, key.length])).toEqual([
      ['p1', 32],
      ['p0', 32],
    ]);
  });

  it('of DATABASE_URL serves DATABASE_DIRECT_URL too', () => {
    expect(readConfig(external()).databaseDirectUrl).toBe(external()['DATABASE_URL']);
  });

  it.each([
    ['DATABASE_PREPARE', 'yes', 'true or false'],
    ['HOST', 'a host', 'an address or a host name'],
    ['HOST', 'x'.repeat(300), 'an address or a host name'],
    ['PORT', '-1', 'a whole number from 0 to 65535'],
    ['PORT', '65536', 'a whole number from 0 to 65535'],
    ['PORT', '80.5', 'a whole number from 0 to 65535'],
    ['PORT', '0x50', 'a whole number from 0 to 65535'],
    ['PORT', ' 80', 'a whole number from 0 to 65535'],
    ['PORT', 'http', 'a whole number from 0 to 65535'],
    ['COUNTERSIGN_WORKERS', '0', 'a whole number from 1 to 64'],
    ['COUNTERSIGN_WORKERS', '65', 'a whole number from 1 to 64'],
    ['COUNTERSIGN_WORKERS', 'auto', 'a whole number from 1 to 64'],
    ['COUNTERSIGN_DATA_DIR', 'a\0b', 'a path'],
    ['COUNTERSIGN_REVOCATION_JOURNAL', 'a\0b', 'a path'],
    ['COUNTERSIGN_START_WITHOUT_JOURNAL', 'yes', 'yes-revoked-tokens-may-live, or nothing'],
    ['COUNTERSIGN_ISSUER', 'tokens.example', 'https://'],
    ['COUNTERSIGN_ISSUER', 'http://tokens.example', 'https://'],
    ['COUNTERSIGN_ISSUER', 'http://localhost.evil.example', 'https://'],
    ['COUNTERSIGN_ISSUER', 'http://127.0.0.1.evil.example', 'https://'],
    ['COUNTERSIGN_ISSUER', 'http://10.0.0.1', 'https://'],
    ['COUNTERSIGN_ISSUER', 'http://[::2]', 'https://'],
    ['COUNTERSIGN_ISSUER', 'ftp://localhost', 'https://'],
    ['COUNTERSIGN_ISSUER', 'https://tokens.example?x=1', 'https://'],
    ['COUNTERSIGN_ISSUER', 'https://tokens.example#x', 'https://'],
    ['COUNTERSIGN_ISSUER', 'https://a:b@tokens.example', 'https://'],
    ['COUNTERSIGN_TRUSTED_PROXIES', '10.0.0.1', 'CIDRs'],
    ['COUNTERSIGN_TRUSTED_PROXIES', '10.0.0.0/33', 'CIDRs'],
    ['COUNTERSIGN_TRUSTED_PROXIES', '10.0.0.0/8,', 'CIDRs'],
    ['COUNTERSIGN_TRUSTED_PROXIES', 'any', 'CIDRs'],
    ['LOG_LEVEL', 'verbose', 'one of fatal, error, warn, info, debug, trace, silent'],
    ['LOG_LEVEL', 'INFO', 'one of fatal'],
    ['LOG_LEVEL', 'info\nDATABASE_URL is fine', 'one of fatal'],
    ['COUNTERSIGN_MAIL_FROM', 'countersign', 'an e-mail address'],
    ['COUNTERSIGN_MAIL_FROM', 'a@acme.example, b@acme.example', 'an e-mail address'],
    ['COUNTERSIGN_MAIL_FROM', 'Us <a@acme.example>\r\nBcc: b@acme.example', 'an e-mail address'],
    ['COUNTERSIGN_MAIL_FROM', 'Us\nBcc: b <a@acme.example>', 'an e-mail address'],
    ['COUNTERSIGN_MAIL_FROM', '<a@acme.example> <b@acme.example>', 'an e-mail address'],
    ['COUNTERSIGN_OIDC_ISSUER', 'http://login.acme.example', 'https://'],
    ['COUNTERSIGN_OIDC_ISSUER', 'https://login.acme.example/?tenant=1', 'https://'],
    ['COUNTERSIGN_OIDC_CLIENT_ID', ' countersign', 'the client id'],
    ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', 'acme.example,', 'domains parted by commas'],
    ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', '*.acme.example', 'domains parted by commas'],
    ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', '@acme.example', 'domains parted by commas'],
    ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', 'acme', 'domains parted by commas'],
    ['COUNTERSIGN_OIDC_TRUST_EMAIL', 'yes', 'true or false'],
    ['COUNTERSIGN_OIDC_WORKSPACE', 'Acme Inc', 'the slug of a workspace'],
    ['COUNTERSIGN_OIDC_ROLE_CLAIM', 'a claim', 'the name of a claim'],
    ['COUNTERSIGN_OIDC_ROLES', 'platform', 'value=role pairs'],
    ['COUNTERSIGN_OIDC_ROLES', 'platform=root', 'value=role pairs'],
    ['COUNTERSIGN_OIDC_ROLES', 'platform=admin,platform=owner', 'value=role pairs'],
    ['COUNTERSIGN_OIDC_ROLES', 'platform=admin,', 'value=role pairs'],
  ])('%s=%j is refused in one line that names it, what it got and what it accepts', (name, value, accepts) => {
    const message = refusalOf({ [name]: value });
    expect(message.startsWith(`${name} is ${JSON.stringify(value.slice(0, 200))}: `)).toBe(true);
    expect(message).toContain(accepts);
  });

  it.each([
    ['DATABASE_URL', 'hunter2'],
    ['DATABASE_URL', 'mysql://user:hunter2@db.example/app'],
    ['DATABASE_DIRECT_URL', 'http://user:hunter2@db.example/app'],
    ['COUNTERSIGN_PEPPER', 'hunter2'],
    ['COUNTERSIGN_PEPPER', `p1:${Buffer.from('hunter2').toString('base64')}`],
    ['COUNTERSIGN_PEPPER', `${pepper},${pepper}`],
    ['COUNTERSIGN_PEPPER', `${pepper},`],
    ['COUNTERSIGN_OIDC_CLIENT_SECRET', ' hunter2'],
    ['COUNTERSIGN_GITLAB_REVOCATION_TOKEN', 'hunter2'.repeat(4)],
    ['COUNTERSIGN_SMTP_URL', 'hunter2'],
    ['COUNTERSIGN_SMTP_URL', 'https://user:hunter2@mail.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://:hunter2@mail.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://hunter2@mail.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail.example/inbox'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail.example?requireTLS=false'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail.example#x'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2%0d%0aQUIT@mail.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2%zz@mail.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail%20.example'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail.example:0'],
    ['COUNTERSIGN_SMTP_URL', 'smtps://user:hunter2@mail.example:99999'],
    ['COUNTERSIGN_SIGNING_KEYS', 'hunter2'],
    ['COUNTERSIGN_SIGNING_KEYS', '{"keys":[]}'],
    ['COUNTERSIGN_SIGNING_KEYS', '{"keys":[{"kty":"oct","k":"hunter2"}]}'],
    ['COUNTERSIGN_SIGNING_KEYS', '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"hunter2"}]}'],
    ['COUNTERSIGN_SIGNING_KEYS', '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"hunter2","d":"hunter2"}]}'],
    ['COUNTERSIGN_SIGNING_KEYS', '{"keys":[{"kty":"EC","crv":"P-256","x":"hunter2","y":"hunter2","d":"hunter2"}]}'],
  ])('%s: a secret is not shown (%#)', (name, value) => {
    const message = refusalOf({ ...external(), [name]: value });
    expect(message).toMatch(new RegExp(`^${name} is a value that is not shown: it accepts `));
    expect(message).not.toContain('hunter2');
    expect(message).not.toContain(pepper.slice(3));
  });

  it('of COUNTERSIGN_SIGNING_KEYS holds keys whose halves belong together, each with a name of its own', () => {
    const [key] = (JSON.parse(signingKeys) as { keys: Record<string, unknown>[] }).keys;
    const set = (...keys: unknown[]) => ({ ...external(), COUNTERSIGN_SIGNING_KEYS: JSON.stringify({ keys }) });
    expect(readConfig(set(key, otherKey)).signingKeys?.keys).toHaveLength(2);
    expect(refusalOf(set({ ...key, x: otherKey['x'] }))).toMatch(
      /^COUNTERSIGN_SIGNING_KEYS is a value that is not shown/,
    );
    expect(refusalOf(set(key, { ...otherKey, kid: key?.['kid'] }))).toMatch(
      /^COUNTERSIGN_SIGNING_KEYS is a value that is not shown/,
    );
  });
});

describe('a secret from a file', () => {
  const file = (name: string, text: string) => {
    const path = join(directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };

  it('is read, and a line break at its end does not matter', () => {
    const { COUNTERSIGN_PEPPER: _, DATABASE_URL: url, COUNTERSIGN_SIGNING_KEYS: keys, ...rest } = external();
    const config = readConfig({
      ...rest,
      DATABASE_URL_FILE: file('url', `${url}\n`),
      DATABASE_DIRECT_URL_FILE: file('direct', `${url}/direct\n`),
      COUNTERSIGN_PEPPER_FILE: file('pepper', `${pepper}\r\n`),
      COUNTERSIGN_SIGNING_KEYS_FILE: file('keys', `${keys}\n`),
    });
    expect(config).toMatchObject({ databaseUrl: url, databaseDirectUrl: `${url}/direct`, peppers: [{ kid: 'p1' }] });
    expect(config.signingKeys?.keys).toHaveLength(1);
  });

  it('and from the variable at once is refused', () => {
    for (const name of ['DATABASE_URL', 'COUNTERSIGN_PEPPER', 'COUNTERSIGN_SIGNING_KEYS']) {
      expect(refusalOf({ ...external(), [`${name}_FILE`]: file('both', 'hunter2') })).toBe(
        `${name} and ${name}_FILE are both set: only one of them is accepted`,
      );
    }
  });

  it('that cannot be read is refused by its path', () => {
    const missing = join(directory, 'missing');
    expect(refusalOf({ COUNTERSIGN_PEPPER_FILE: missing })).toBe(
      `COUNTERSIGN_PEPPER_FILE names ${JSON.stringify(missing)}, which cannot be read (ENOENT): it accepts the path of a file`,
    );
    expect(refusalOf({ COUNTERSIGN_PEPPER_FILE: directory })).toContain('(EISDIR)');
    expect(refusalOf({ COUNTERSIGN_PEPPER_FILE: 'a\0b' })).toMatch(/^COUNTERSIGN_PEPPER_FILE names "a\\u0000b"/);
  });

  it('that holds nothing, or nonsense, is refused without showing it', () => {
    expect(refusalOf({ COUNTERSIGN_PEPPER_FILE: file('empty', '\n') })).toMatch(
      /^COUNTERSIGN_PEPPER is a value that is not shown/,
    );
    expect(refusalOf({ COUNTERSIGN_PEPPER_FILE: file('bad', 'hunter2') })).not.toContain('hunter2');
  });

  it('does not exist for what is no secret', () => {
    expect(readConfig({ PORT_FILE: file('port', '1') }).port).toBe(8787);
  });
});

describe('what belongs together', () => {
  it.each(['COUNTERSIGN_PEPPER', 'COUNTERSIGN_SIGNING_KEYS'])('%s is needed with DATABASE_URL', (name) => {
    const { [name]: _, ...rest } = external();
    expect(refusalOf(rest)).toMatch(new RegExp(`^${name} is not set: it is needed with DATABASE_URL`));
  });

  it('DATABASE_DIRECT_URL is nothing without DATABASE_URL', () => {
    expect(refusalOf({ DATABASE_DIRECT_URL: 'postgres://u:hunter2@h/d' })).toMatch(
      /^DATABASE_DIRECT_URL is set, but DATABASE_URL is not/,
    );
  });
});

describe('an OpenID provider', () => {
  const oidc = (): Environment => ({
    COUNTERSIGN_OIDC_ISSUER: 'https://login.acme.example/',
    COUNTERSIGN_OIDC_CLIENT_ID: 'countersign',
  });

  it('is an issuer and a client, and what else is said', () => {
    const nobody = { clientSecret: undefined, allowedDomains: [], isEmailTrusted: false };
    const none = { ...nobody, workspace: undefined, roles: undefined };
    const least = { issuer: 'https://login.acme.example/', clientId: 'countersign', ...none };
    expect(readConfig(oidc()).oidc).toEqual(least);
    const path = join(directory, 'client-secret');
    writeFileSync(path, 'hunter2\n', { mode: 0o600 });
    const all = readConfig({
      ...oidc(),
      COUNTERSIGN_OIDC_CLIENT_SECRET_FILE: path,
      COUNTERSIGN_OIDC_ALLOWED_DOMAINS: 'Acme.example, acme.test',
      COUNTERSIGN_OIDC_TRUST_EMAIL: 'true',
      COUNTERSIGN_OIDC_WORKSPACE: 'acme',
      COUNTERSIGN_OIDC_ROLE_CLAIM: 'https://acme.example/groups',
      COUNTERSIGN_OIDC_ROLES: 'cn=platform=admin, everyone=member',
    });
    expect(all.oidc).toEqual({
      ...least,
      clientSecret: 'hunter2',
      allowedDomains: ['acme.example', 'acme.test'],
      isEmailTrusted: true,
      workspace: 'acme',
      roles: {
        claim: 'https://acme.example/groups',
        pairs: [
          { value: 'cn=platform', role: 'admin' },
          { value: 'everyone', role: 'member' },
        ],
      },
    });
  });

  it.each([
    ['COUNTERSIGN_OIDC_CLIENT_ID', { COUNTERSIGN_OIDC_ISSUER: 'https://login.acme.example' }],
    ['COUNTERSIGN_OIDC_ISSUER', { COUNTERSIGN_OIDC_CLIENT_ID: 'countersign' }],
    ['COUNTERSIGN_OIDC_ISSUER', { COUNTERSIGN_OIDC_CLIENT_SECRET: 'hunter2' }],
    ['COUNTERSIGN_OIDC_ISSUER', { COUNTERSIGN_OIDC_ALLOWED_DOMAINS: 'acme.example' }],
    ['COUNTERSIGN_OIDC_ALLOWED_DOMAINS', { ...oidc(), COUNTERSIGN_OIDC_TRUST_EMAIL: 'true' }],
    ['COUNTERSIGN_OIDC_ISSUER', { COUNTERSIGN_OIDC_TRUST_EMAIL: 'true' }],
    ['COUNTERSIGN_OIDC_ISSUER', { COUNTERSIGN_OIDC_WORKSPACE: 'acme' }],
    ['COUNTERSIGN_OIDC_ROLES', { ...oidc(), COUNTERSIGN_OIDC_ROLE_CLAIM: 'groups' }],
    ['COUNTERSIGN_OIDC_ROLE_CLAIM', { ...oidc(), COUNTERSIGN_OIDC_ROLES: 'platform=admin' }],
  ])('needs %s (%#)', (missing, environment) => {
    const message = refusalOf(environment);
    expect(message).toMatch(new RegExp(`^${missing} is not set, but COUNTERSIGN_OIDC_\\w+ is: it accepts `));
    expect(message).not.toContain('hunter2');
  });
});

describe('mail', () => {
  const from = { COUNTERSIGN_MAIL_FROM: 'Acme tokens <tokens@acme.example>' };
  const sender = { name: 'Acme tokens', address: 'tokens@acme.example' };
  const login = { user: 'us@acme', passwordSecret: 'hunter2:@' };

  it.each([
    ['smtps://us%40acme:hunter2%3A%40@mail.example', 'mail.example', 465, 'at-once', login],
    ['smtps://us%40acme:hunter2%3A%40@mail.example:2465/', 'mail.example', 2465, 'at-once', login],
    ['smtp://us%40acme:hunter2%3A%40@mail.example', 'mail.example', 587, 'required', login],
    ['smtp://relay.acme.example:25', 'relay.acme.example', 25, 'required', undefined],
    ['smtp://10.0.0.1:25', '10.0.0.1', 25, 'required', undefined],
    ['smtp://localhost.acme.example', 'localhost.acme.example', 587, 'required', undefined],
    ['smtp://localhost:25', 'localhost', 25, 'none', undefined],
    ['smtp://127.0.0.1:1025', '127.0.0.1', 1025, 'none', undefined],
    ['smtp://[::1]:1025', '::1', 1025, 'none', undefined],
    // A login goes over TLS, to this machine too.
    ['smtp://us%40acme:hunter2%3A%40@127.0.0.1', '127.0.0.1', 587, 'required', login],
  ])('goes to %s', (url, host, port, tls, as) => {
    expect(readConfig({ ...from, COUNTERSIGN_SMTP_URL: url }).mail).toEqual({
      host,
      port,
      tls,
      login: as,
      from: sender,
    });
  });

  it('may have its server in a file, and a bare address to come from', () => {
    const path = join(directory, 'smtp-url');
    writeFileSync(path, 'smtps://us:hunter2@mail.example\n', { mode: 0o600 });
    const { mail } = readConfig({ COUNTERSIGN_SMTP_URL_FILE: path, COUNTERSIGN_MAIL_FROM: 'tokens@acme.example' });
    expect(mail).toMatchObject({ host: 'mail.example', from: { name: 'Countersign', address: 'tokens@acme.example' } });
  });

  it.each([
    ['COUNTERSIGN_SMTP_URL', from],
    ['COUNTERSIGN_MAIL_FROM', { COUNTERSIGN_SMTP_URL: 'smtps://us:hunter2@mail.example' }],
  ])('needs %s', (missing, environment) => {
    const message = refusalOf(environment);
    expect(message).toMatch(new RegExp(`^${missing} is not set, but COUNTERSIGN_\\w+ is: it accepts `));
    expect(message).not.toContain('hunter2');
  });
});

describe('the issuer', () => {
  it.each([
    ['https://tokens.example', 'https://tokens.example'],
    ['https://tokens.example:8443/', 'https://tokens.example:8443'],
    ['https://10.0.0.1', 'https://10.0.0.1'],
    ['http://localhost:8787', 'http://localhost:8787'],
    ['http://console.localhost', 'http://console.localhost'],
    ['http://127.1.2.3', 'http://127.1.2.3'],
    ['http://[::1]:8787/', 'http://[::1]:8787'],
  ])('may be %s', (given, read) => {
    expect(readConfig({ COUNTERSIGN_ISSUER: given }).issuer).toBe(read);
  });

  it('must be said when others reach the host by a name or an address', () => {
    for (const HOST of ['tokens.example', '10.0.0.1', '2001:db8::1']) {
      expect(refusalOf({ HOST })).toMatch(/^COUNTERSIGN_ISSUER is not set: with HOST /);
      expect(readConfig({ HOST, COUNTERSIGN_ISSUER: 'https://tokens.example' }).host).toBe(HOST);
    }
  });

  it.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', '0.0.0.0', '::'])('may be left out with HOST %s', (HOST) => {
    expect(readConfig({ HOST }).issuer).toBeUndefined();
  });
});
