import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ALL, ENDS } from './escapes.js';
import { EXCHANGE_LIES, PLATFORM_LIES, PLATFORM_REFUSALS } from './exchange-faults.js';
import { FAULTS, LIES, REFUSALS } from './service-faults.js';

const page = readText('../../src/runner/faults.md');

/** The rows of the table under a header, cell by cell. */
function rowsOf(firstHeader: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${firstHeader} `));
  const rest = lines.slice(start + 2);
  return rest
    .slice(
      0,
      rest.findIndex((line) => !line.startsWith('|')),
    )
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function readText(path: string): string {
  return readFileSync(new URL(path, import.meta.url), 'utf8');
}

describe('the tables of src/runner/faults.md are what is tested', () => {
  test("the service's answers", () => {
    const rows = FAULTS.map(({ title }) => [title, '69', '69', 'its own']);
    expect(rowsOf("the service's answer")).toEqual([...rows, [REFUSALS.join(', '), '77', '77', 'its own']]);
  });

  test('the lies', () => {
    expect(rowsOf('the answer to the check')).toEqual(LIES.map(([title]) => [title]));
  });

  test('the exchange', () => {
    expect(rowsOf('the answer to the exchange')).toEqual(EXCHANGE_LIES.map(([title]) => [title]));
    expect(rowsOf('the answer of the platform')).toEqual(PLATFORM_LIES.map(([title]) => [title]));
    const [service, platform, ...rest] = rowsOf('the exchange or the platform').map(([title = '']) => title);
    expect(service).toBe(`the exchange is refused, ${REFUSALS.join(', ')}`);
    expect(platform).toBe(`the platform refuses, ${PLATFORM_REFUSALS.join(', ')}`);
    const tests = readText('./federated.test.ts');
    for (const title of rest.filter((one) => /^a (Buildkite agent|file|service) /.test(one))) {
      expect(tests).toContain(title.replace(/^a (Buildkite agent|file) that /, ''));
    }
  });

  test('what is ended in each containment', () => {
    const rows = ENDS.map(([containment, title, , held]) => {
      if (held === 'command') return [containment, title, 'the command'];
      return [containment, title, held.length === ALL.length ? 'everything' : 'what is marked'];
    });
    expect(rowsOf('containment')).toEqual(rows);
  });

  test('the faults of watch and machine have their tests', () => {
    const tests = ['service-faults', 'machine-faults', 'terminal']
      .map((name) => readText(`./${name}.test.ts`))
      .join('\n');
    const titles = rowsOf('fault').map((cells) => cells.at(-1) ?? '');
    const streams = rowsOf('the watch').map(([title = '']) => title.replace(/^the last word comes /, ''));
    for (const title of [...titles, ...streams]) expect(tests).toContain(title);
  });
});
