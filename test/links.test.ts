import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SKIPPED = /(^|\/)(node_modules|dist|coverage|\.git)(\/|$)/;

const pages = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.md') && !SKIPPED.test(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

/** The anchors that a forge makes of headings. */
const anchors = new Map(
  pages.map(({ path, text }) => [path, [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title))]),
);

function anchorOf(title: string): string {
  const words = title.toLowerCase().replace(/[^a-z0-9 _-]/g, '');
  return words.replaceAll(' ', '-');
}

function faultOf(from: string, link: string): string[] {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(ROOT, target))) return [`${from} leads to ${link}, which is not there`];
  const known = anchors.get(target);
  const isThere = anchor === undefined || known === undefined || known.includes(anchor);
  return isThere ? [] : [`${from} leads to ${link}, where there is no such heading`];
}

test('every link of the documents leads somewhere', () => {
  const faults = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = '']) => link)
      .filter((link) => !/^(?:[a-z]+:|<)/.test(link))
      .flatMap((link) => faultOf(path, link)),
  );
  expect(pages.length).toBeGreaterThan(10);
  expect(faults).toEqual([]);
});
