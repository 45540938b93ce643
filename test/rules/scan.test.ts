import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId, newTokenSecret, printId, printToken } from '../../src/rules/format.js';
import { createScanner } from '../../src/rules/scan.js';

const id = newId('tok', new Date('2026-03-02T09:00:00Z'));
const TOKEN = printToken({ id, tokenSecret: newTokenSecret() });
const ID = printId('tok', id);

interface Place {
  readonly line: number;
  readonly column: number;
  readonly publicId: string | undefined;
}

function scanPieces(pieces: readonly Buffer[]): Place[] {
  const scanner = createScanner();
  const sightings = [...pieces.flatMap((piece) => scanner.push(piece)), ...scanner.end()];
  return sightings.map(({ line, column, publicId }) => ({ line, column, publicId }));
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, at) => bytes.subarray(from, places[at] ?? bytes.length));
}

describe('a scanner', () => {
  test('tells line and column in bytes, from 1', () => {
    expect(scanPieces([Buffer.from(`a\nää ${TOKEN}`)])).toEqual([{ line: 2, column: 6, publicId: ID }]);
  });

  test('finds tokens that touch each other, and none in what only looks like one', () => {
    const wrong = `${TOKEN.slice(0, -1)}${TOKEN.endsWith('0') ? '1' : '0'}`;
    expect(scanPieces([Buffer.from(`${TOKEN}${TOKEN}\n${wrong}\n${TOKEN.toUpperCase()}`)])).toEqual([
      { line: 1, column: 1, publicId: ID },
      { line: 1, column: 77, publicId: ID },
    ]);
  });

  test('has no false positive: neither what differs from a token by characters, nor what is only of its form', () => {
    const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const character = fc.constantFrom(...base62);
    const change = fc.tuple(
      fc.integer({ min: 4, max: 75 }).filter((place) => place !== 26),
      character,
    );
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
        const characters = [...TOKEN];
        for (const [place, other] of changes) characters[place] = other;
        const text = characters.join('');
        expect(scanPieces([Buffer.from(text)])).toHaveLength(text === TOKEN ? 1 : 0);
      }),
      { numRuns: 5_000 },
    );
    const word = (length: number) => fc.string({ unit: character, minLength: length, maxLength: length });
    const formed = fc.tuple(word(22), word(49)).map(([first, second]) => `cst_${first}_${second}`);
    fc.assert(
      fc.property(fc.array(formed, { minLength: 100, maxLength: 100 }), (texts) => {
        expect(scanPieces([Buffer.from(texts.join('\n'))])).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test('finds a token that is cut at any byte', () => {
    const bytes = Buffer.from(`x\n${TOKEN}\n`);
    for (let place = 0; place <= bytes.length; place++) {
      expect(scanPieces(cut(bytes, [place]))).toEqual([{ line: 2, column: 1, publicId: ID }]);
    }
  });

  test.each([
    ['little-endian', (text: string) => Buffer.from(text, 'utf16le')],
    ['big-endian', (text: string) => Buffer.from(text, 'utf16le').swap16()],
  ])('reads UTF-16, %s, with and without a byte order mark, cut at any byte', (_title, encode) => {
    const text = `${TOKEN}\r\n\r\nab ${TOKEN}${TOKEN}\r\n`;
    for (const [bytes, first] of [
      [encode(`\ufeff${text}`), 3],
      [encode(text), 1],
    ] as const) {
      for (let place = 0; place <= bytes.length; place++) {
        expect(scanPieces(cut(bytes, [place]))).toEqual([
          { line: 1, column: first, publicId: ID },
          { line: 3, column: 7, publicId: ID },
          { line: 3, column: 159, publicId: ID },
        ]);
      }
    }
  });

  test('takes no token whose UTF-16 has something between its characters', () => {
    const bytes = Buffer.from(TOKEN, 'utf16le');
    bytes[75] = 1;
    expect(scanPieces([bytes])).toEqual([]);
  });

  test('finds each token once, in a stream of one byte at a time', () => {
    const bytes = Buffer.concat([Buffer.from(`${TOKEN}\n${TOKEN}`), Buffer.from(`\n${TOKEN}`, 'utf16le')]);
    expect(scanPieces([...bytes].map((byte) => Buffer.from([byte]))).map(({ line }) => line)).toEqual([1, 2, 3]);
  });

  test('finds the same however the stream is cut', () => {
    const filler = fc.oneof(
      fc.constantFrom('\n', '\r\n', ' ', 'cst_', 'cst_cst_', 'é', '\n\n', TOKEN.slice(0, 40), 'x'.repeat(90)),
      fc.string({ maxLength: 20, unit: 'grapheme' }),
    );
    const content = fc
      .array(fc.oneof({ weight: 3, arbitrary: filler }, { weight: 1, arbitrary: fc.constant(TOKEN) }), {
        maxLength: 12,
      })
      .map((parts) => Buffer.from(parts.join('')));
    fc.assert(
      fc.property(content, fc.array(fc.nat(2000), { maxLength: 30 }), (bytes, cuts) => {
        expect(scanPieces(cut(bytes, cuts))).toEqual(reference(bytes));
      }),
      { numRuns: 500 },
    );
  });
});

// Line by line, as one would by hand.
function reference(bytes: Buffer): Place[] {
  const lines = bytes.toString('latin1').split('\n');
  return lines.flatMap((text, at) =>
    [...text.matchAll(new RegExp(TOKEN, 'g'))].map(({ index }) => ({ line: at + 1, column: index + 1, publicId: ID })),
  );
}
