import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { approvePage } from '../../src/http/approve-page.js';
import { docsPage } from '../../src/http/docs.js';
import { html, inline } from '../../src/http/html.js';
import { problemPage } from '../../src/http/problem-page.js';
import { openApiDocument, operations } from '../../src/wire/openapi.js';
import type { OpenApiDocument } from '../../src/wire/openapi-document.js';
import { PROBLEMS, problemKinds } from '../../src/wire/problems.js';

const document = openApiDocument();
const docs = docsPage(document);
const pages = [docs, approvePage(), ...problemKinds().map(problemPage)];

const HOSTILE = `</style><script>alert(1)</script><img src=x onerror="alert(1)">' & \`<b>\` **<i>**`;

/** Puts a hostile text in the place of every text of a document, keys included. */
function poison<T>(value: T): T {
  if (typeof value === 'string') return `${value}${HOSTILE}` as T;
  if (Array.isArray(value)) return value.map(poison) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, poison(member)])) as T;
}

describe('the /docs page', () => {
  test('has every operation with its path, and an example of calling it', () => {
    for (const { id, path } of operations) {
      expect(docs.html).toContain(`id="operation-${id}"`);
      expect(docs.html).toContain(`<span class="path">${path}</span>`);
    }
    expect(docs.html.match(/<code>curl /g)).toHaveLength(operations.length);
    expect(docs.html).toContain('$COUNTERSIGN_TOKEN');
    expect(docs.html.match(/DPoP: \$PROOF/g)).toHaveLength(2);
  });

  test('never shows a secret as an argument, where the process list has it', () => {
    expect(docs.html).not.toMatch(/-H [^\n]*\$/);
    expect(docs.html).not.toMatch(/-d [^\n]*\$/);
  });

  test('links to nothing on the page that is not there', () => {
    const ids = new Set([...docs.html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id));
    const targets = [...docs.html.matchAll(/ href="#([^"]*)"/g)].map(([, id = '']) => id);
    expect(targets.length).toBeGreaterThan(operations.length);
    expect(targets.filter((id) => !ids.has(id) && !ids.has(decodeURIComponent(id)))).toEqual([]);
  });

  test('gives no two places one id', () => {
    const ids = [...docs.html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(ids.filter((id, at) => ids.indexOf(id) !== at)).toEqual([]);
  });

  test('escapes whatever a document holds', () => {
    const poisoned: OpenApiDocument = { ...poison(document), tags: document.tags, paths: {} };
    const paths = Object.fromEntries(
      Object.entries(document.paths).map(([path, item]) => [
        path,
        Object.fromEntries(Object.entries(item).map(([method, it]) => [method, { ...poison(it), tags: it.tags }])),
      ]),
    );
    const { html: text } = docsPage({ ...poisoned, paths });
    expect(text).not.toMatch(/<script|<img|<i>|<b>/i);
    expect(text.match(/<\/style/g)).toHaveLength(1);
    for (const [tag] of text.matchAll(/<[a-z][^>]*>/gi)) expect(tag).not.toMatch(/ on\w+=/i);
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  test('escapes hostile names of paths and of messages', () => {
    const [item] = Object.values(document.paths);
    const { html: text } = docsPage({
      ...document,
      paths: { '/"><script>alert(1)</script>': item ?? {} },
      components: { ...document.components, schemas: { '"><script>alert(1)</script>': { type: 'object' } } },
    });
    expect(text).not.toMatch(/<script/i);
  });
});

describe('every page', () => {
  test('loads nothing and runs nothing', () => {
    for (const page of pages) {
      expect(page.html).not.toMatch(/<(script|img|link|iframe|object|embed|form|base|video|audio|source|svg)\b/i);
      expect(page.html).not.toMatch(/\s(src|srcset|style|on\w+)="/i);
      expect(page.html).not.toMatch(/url\(|@import|@font-face/i);
      for (const [, target = ''] of page.html.matchAll(/ href="([^"]*)"/g)) expect(target).toMatch(/^[#/](?!\/)/);
    }
  });

  test('is allowed its one style sheet by hash, and nothing else', () => {
    for (const page of pages) {
      const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page.html) ?? [];
      const hash = createHash('sha256').update(style).digest('base64');
      expect(page.contentSecurityPolicy).toBe(
        `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      );
    }
  });

  test('fits a phone and both colour schemes', () => {
    for (const page of pages) {
      expect(page.html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
      expect(page.html).toContain('prefers-color-scheme: dark');
    }
  });
});

describe('the page of a problem', () => {
  test.each(problemKinds())('of %s says what it means and what to do', (kind) => {
    const page = problemPage(kind);
    expect(page.html).toContain(`<h1>${PROBLEMS[kind].title}</h1>`);
    expect(page.html).toContain(html`${inline(PROBLEMS[kind].meaning)}`.markup);
    expect(page.html).toContain(html`${inline(PROBLEMS[kind].whatToDo)}`.markup);
  });

  test('of a conflict explains each code', () => {
    expect(problemPage('conflict').html).toContain('<code>last_owner</code>');
  });
});

describe('text in a page', () => {
  test.each([
    ['a < b & "c"', 'a &lt; b &amp; &quot;c&quot;'],
    ['`<x>` and **<y>**', '<code>&lt;x&gt;</code> and <strong>&lt;y&gt;</strong>'],
    ['with * and **.', 'with * and **.'],
    ['`**`', '<code>**</code>'],
    ['an open ` tick', 'an open ` tick'],
  ])('%s is %s', (text, markup) => {
    expect(inline(text).markup).toBe(markup);
  });
});
