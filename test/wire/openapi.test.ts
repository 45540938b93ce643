import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { generatedFiles } from '../../openapi/documents.js';
import { SERVICE_SCOPES } from '../../src/rules/scope.js';
import { VERSION } from '../../src/version.js';
import { openApiDocument, operations } from '../../src/wire/openapi.js';
import type { OperationObject } from '../../src/wire/openapi-document.js';
import { collectSchemas } from '../../src/wire/openapi-schemas.js';
import { PROBLEMS, problemKindOf, problemKinds, problemSlug } from '../../src/wire/problems.js';

const document = openApiDocument();
const described = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, it]: [string, OperationObject]) => ({ method, path, it })),
);

function committed(name: string): string {
  return readFileSync(new URL(`../../openapi/${name}`, import.meta.url), 'utf8');
}

/** Every value under the key `$ref`, anywhere. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    key === '$ref' && typeof member === 'string' ? [member] : references(member),
  );
}

function resolve(reference: string): unknown {
  const keys = reference.replace(/^#\//, '').split('/');
  return keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

describe('the OpenAPI document', () => {
  test('describes every operation once, under its path and method', () => {
    const listed = operations.map(({ id, method, path }) => `${method} ${path} ${id}`);
    expect(described.map(({ method, path, it }) => `${method} ${path} ${it.operationId}`).sort()).toEqual(
      listed.sort(),
    );
  });

  test('gives each operation an id of its own', () => {
    expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length);
  });

  test('lists every operation that a wire module exports', async () => {
    const files = readdirSync(new URL('../../src/wire', import.meta.url));
    const modules = files.map((file) => file.replace(/\.ts$/, ''));
    const exported = await Promise.all(modules.map((name) => import(`../../src/wire/${name}.ts`)));
    const ids = exported.flatMap((one: Record<string, unknown>) =>
      Object.entries(one).flatMap(([name, value]) =>
        name.endsWith('Operation') ? [(value as { id: string }).id] : [],
      ),
    );
    expect(ids.sort()).toEqual(operations.map(({ id }) => id).sort());
  });

  test('refers to nothing that is not there', () => {
    const dangling = references(document).filter((reference) => resolve(reference) === undefined);
    expect(dangling).toEqual([]);
    expect(references(document).every((reference) => reference.startsWith('#/components/'))).toBe(true);
  });

  test('asks for service scopes alone', () => {
    const asked = described.flatMap(({ it }) => it.security.flatMap((way) => Object.values(way).flat()));
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((scope) => !SERVICE_SCOPES.some((own) => own === scope))).toEqual([]);
  });

  test('lists 401 where credentials are needed, and nowhere else', () => {
    for (const { it } of described)
      expect([it.operationId, '401' in it.responses]).toEqual([it.operationId, it.security.length > 0]);
  });

  test('lists 413 where there is a body, 404 where the path names a thing, 500 everywhere', () => {
    for (const { path, it } of described) {
      expect([path, '413' in it.responses]).toEqual([path, it.requestBody !== undefined]);
      expect([path, '404' in it.responses]).toEqual([path, path.includes('{')]);
      expect([path, '500' in it.responses]).toEqual([path, true]);
    }
  });

  test('says Retry-After with each 429 and 503 refusal, WWW-Authenticate with each 401', () => {
    const { responses } = document.components;
    const named = (name: string) => Object.keys(responses[name]?.headers ?? {});
    expect(named('ServiceUnavailable')).toContain('Retry-After');
    expect(named('OAuthServiceUnavailable')).toContain('Retry-After');
    expect(named('OAuthTooManyRequests')).toContain('Retry-After');
    expect(named('Unauthorized')).toContain('WWW-Authenticate');
    expect(named('OAuthUnauthorized')).toContain('WWW-Authenticate');
  });

  test('refuses in the form of RFC 6749 section 5.2 under /oauth2/, as RFC 9457 problems elsewhere', () => {
    for (const { path, it } of described) {
      const refused = Object.values(it.responses).flatMap((one) => ('$ref' in one ? [one.$ref] : []));
      expect(refused.filter((reference) => reference.includes('/OAuth') !== path.startsWith('/oauth2/'))).toEqual([]);
    }
  });

  test('offers both representations of an introspection (RFC 9701 section 4)', () => {
    const answer = document.paths['/oauth2/introspect']?.post?.responses['200'];
    expect(answer && 'content' in answer && Object.keys(answer.content ?? {})).toEqual([
      'application/json',
      'application/token-introspection+jwt',
    ]);
  });

  test('leaves room for new members in answers and none in requests', () => {
    const { MintRequest, Token } = document.components.schemas;
    expect(MintRequest?.additionalProperties).toBe(false);
    expect(Token?.additionalProperties).toBeUndefined();
  });

  test('shows examples that its own schemas accept', () => {
    const checked = operations.flatMap((it) => {
      const examples = it.body ? z.globalRegistry.get(it.body)?.['examples'] : undefined;
      const requests = Array.isArray(examples) ? examples.map((one: unknown) => it.body?.safeParse(one).success) : [];
      const answers = Object.values(it.answers).flatMap(({ schema, example }) =>
        schema && example !== undefined ? [schema.safeParse(example).success] : [],
      );
      return [...requests, ...answers];
    });
    expect(checked.length).toBeGreaterThan(8);
    expect(checked).not.toContain(false);
  });

  test('holds nothing of token form, so that no scanner stumbles over it', () => {
    expect(JSON.stringify(document)).not.toMatch(/cst_[0-9A-Za-z]{22}_/);
  });

  test('names the service it was asked of, and is the same each time', () => {
    const issuer = 'https://countersign.example.com';
    const text = JSON.stringify(openApiDocument(issuer));
    expect(text).toBe(JSON.stringify(openApiDocument(issuer)));
    expect(text).toContain(`"url":"${issuer}"`);
    expect(text).toContain(`${issuer}/problems/not-found`);
    expect(text).not.toContain('127.0.0.1');
  });

  test('has the version of the package', () => {
    const { version } = JSON.parse(committed('../package.json'));
    expect(document.info.version).toBe(version);
    expect(VERSION).toBe(version);
  });
});

describe('two schemas that claim one id', () => {
  test('are refused', () => {
    const schemas = collectSchemas();
    schemas.add(z.object({ a: z.string() }).meta({ id: 'TwiceInATest' }), 'output');
    const other = z.object({ a: z.string().optional() }).meta({ id: 'TwiceInATest2' });
    expect(() => schemas.add(other, 'output')).not.toThrow();
    z.globalRegistry.remove(other).add(other, { id: 'TwiceInATest' });
    expect(() => schemas.add(other, 'output')).toThrow('TwiceInATest');
  });
});

describe('the committed files', () => {
  test.each(generatedFiles())('$name is what the code says', ({ name, text }) => {
    expect(committed(name)).toBe(text);
  });

  test('README.md has a row for every endpoint', () => {
    const readme = committed('README.md');
    const missing = operations
      .map(({ method, path }) => `| \`${method.toUpperCase()} ${path}\` `)
      .filter((row) => !readme.includes(row));
    expect(missing).toEqual([]);
  });
});

describe('problem types', () => {
  test('are found again by the last part of their URI', () => {
    for (const kind of problemKinds()) expect(problemKindOf(problemSlug(kind))).toBe(kind);
    expect(problemKinds()).toHaveLength(Object.keys(PROBLEMS).length);
  });

  test.each(['', 'nothing', 'not_found', 'constructor', 'to-string', '__proto__'])('have none at %o', (slug) => {
    expect(problemKindOf(slug)).toBeUndefined();
  });
});
