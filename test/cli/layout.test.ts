import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { displayWidth, truncateToWidth } from '../../src/cli/display-width.js';
import { bothTimes, parseInstant, relativeTime, timeIn } from '../../src/cli/instant.js';
import { viewOf } from '../../src/cli/output.js';
import { printable } from '../../src/cli/printable.js';
import { renderDetails, renderTable } from '../../src/cli/table.js';

const COLUMNS = [
  { title: 'ID', value: (row: string[]) => row[0] ?? '', isWhole: true },
  { title: 'NAME', value: (row: string[]) => row[1] ?? '' },
  { title: 'WHEN', value: (row: string[]) => row[2] ?? '', shown: () => 'in 6 days' },
];
const ROWS = [
  ['tok_1', '日本語', '2026-03-08T00:00:00Z'],
  ['tok_22', 'plain', '2026-03-08T00:00:00Z'],
];

describe('a table', () => {
  test('is aligned by display width on a terminal', () => {
    expect(renderTable(COLUMNS, ROWS, { isTerminal: true, width: 80, hasColour: false })).toEqual([
      'ID      NAME    WHEN',
      'tok_1   日本語  in 6 days',
      'tok_22  plain   in 6 days',
    ]);
  });

  test('is cut to the width of the terminal, but never an id', () => {
    const rows = [['tok_0123456789012345678901', 'a name that goes on and on', '']];
    const lines = renderTable(COLUMNS, rows, { isTerminal: true, width: 50, hasColour: false });
    expect(lines[1]).toBe('tok_0123456789012345678901  a name tha…  in 6 days');
  });

  test('leaves spare columns out where it is narrow, and nowhere else', () => {
    const columns = [...COLUMNS, { title: 'FROM', value: () => 'here', isSpare: true }];
    const heads = [80, 120].map(
      (width) => renderTable(columns, ROWS, { isTerminal: true, width, hasColour: false })[0],
    );
    expect(heads).toEqual(['ID      NAME    WHEN', 'ID      NAME    WHEN       FROM']);
    expect(renderTable(columns, ROWS, { isTerminal: false, width: 20, hasColour: false })[0]).toMatch(/\there$/);
  });

  test('is exact and tab-separated elsewhere', () => {
    expect(renderTable(COLUMNS, ROWS, { isTerminal: false, width: 20, hasColour: false })).toEqual([
      'tok_1\t日本語\t2026-03-08T00:00:00Z',
      'tok_22\tplain\t2026-03-08T00:00:00Z',
    ]);
  });

  test('fits whatever it holds, and lets no control character through', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, width) => {
          const columns = [0, 1].map((at) => ({ title: 'T', value: (row: [string, string]) => row[at] ?? '' }));
          const lines = renderTable(columns, rows, { isTerminal: true, width, hasColour: false });
          expect(lines).toHaveLength(rows.length + 1);
          for (const line of lines) {
            expect(displayWidth(line)).toBeLessThanOrEqual(width);
            expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
          }
        },
      ),
    );
  });

  test('of details leaves out what is not known', () => {
    const details = [
      ['id', 'tok_1'],
      ['name', null],
      ['expires', 'soon'],
    ] as const;
    expect(renderDetails(details, { isTerminal: true, width: 80, hasColour: false })).toEqual([
      'id       tok_1',
      'expires  soon',
    ]);
    expect(renderDetails(details, { isTerminal: false, width: 80, hasColour: false })).toEqual([
      'id\ttok_1',
      'expires\tsoon',
    ]);
  });
});

describe('display width', () => {
  test.for([
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['👩‍👩‍👧', 2],
    ['🇫🇷', 2],
    ['…', 1],
  ] as const)('of %s is %i', ([text, width]) => expect(displayWidth(text)).toBe(width));

  test('a cut text is never wider than asked, and ends in an ellipsis', () => {
    expect(truncateToWidth('日本語', 4)).toBe('日…');
    expect(truncateToWidth('abc', 3)).toBe('abc');
  });
});

describe('printable text', () => {
  test.for([
    ['\u001b[31mred', '\\x1b[31mred'],
    ['a\nb\tc', 'a\\x0ab\\x09c'],
    ['\u202egnp.exe', '\\u202egnp.exe'],
    ['\u009b31m', '\\x9b31m'],
    ['naïve 日本', 'naïve 日本'],
    ['\ud800', '\ufffd'],
  ] as const)('%j', ([text, shown]) => expect(printable(text)).toBe(shown));
});

describe('colour', () => {
  test.for([
    [{ isTTY: true }, {}, true],
    [{ isTTY: false }, {}, false],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: false }, { FORCE_COLOR: '1' }, true],
    [{ isTTY: true }, { FORCE_COLOR: '0' }, false],
    [{ isTTY: true }, { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
  ] as const)('%j with %j: %s', ([stream, env, hasColour]) => expect(viewOf(stream, env).hasColour).toBe(hasColour));
});

describe('times', () => {
  const now = new Date('2026-03-02T09:00:00Z');
  test.for([
    ['2026-03-08T09:00:00Z', 'in 6 days'],
    ['2026-03-02T06:00:00Z', '3 hours ago'],
    ['2026-03-02T09:00:20Z', 'in a moment'],
    ['2026-03-02T08:59:50Z', 'just now'],
    ['2026-04-15T09:00:00Z', 'in 44 days'],
    ['2026-09-02T09:00:00Z', 'in 6 months'],
    ['2023-03-02T09:00:00Z', '3 years ago'],
  ] as const)('%s is %s', ([at, said]) => expect(relativeTime(at, now)).toBe(said));

  test('are said both ways', () => {
    expect(bothTimes('2026-03-08T09:00:12.345Z', now)).toBe('2026-03-08T09:00:12.345Z (in 6 days)');
  });

  test('are said both ways at a terminal alone', () => {
    const [terminal, pipe] = [true, false].map((isTerminal) => ({ isTerminal, width: 80, hasColour: false }));
    expect([terminal, pipe].map((view) => view && timeIn(view, '2026-03-08T09:00:00Z', now))).toEqual([
      '2026-03-08T09:00:00Z (in 6 days)',
      '2026-03-08T09:00:00Z',
    ]);
    expect(pipe && timeIn(pipe, null, now)).toBeUndefined();
  });

  test.for(['', 'tomorrow', '2026', '2026-13-01', '2026-03-02T09:00', '2026-02-30'])('%j is not one', (text) => {
    expect(() => parseInstant(text)).toThrow('RFC 3339');
  });

  test('are read with their offset', () => {
    expect(parseInstant('2026-03-02T09:00:00+02:00')).toBe('2026-03-02T07:00:00.000Z');
    expect(parseInstant('2026-03-02')).toBe('2026-03-02T00:00:00.000Z');
  });
});
