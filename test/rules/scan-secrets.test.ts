import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newId, newTokenSecret, printToken } from '../../src/rules/format.js';
import type { Sighting } from '../../src/rules/scan.js';
import { createSecretScanner } from '../../src/rules/scan-secrets.js';
import { findSecrets, OWN_KIND } from '../../src/rules/secret-scan.js';
import { base62, checksummed, jwt, pem } from './secrets.js';

const TOKEN = printToken({ id: newId('tok', new Date('2026-03-02T09:00:00Z')), tokenSecret: newTokenSecret() });
const GITHUB = checksummed('ghp');

function scan(pieces: readonly Buffer[]): Sighting[] {
  const scanner = createSecretScanner();
  return [...pieces.flatMap((piece) => scanner.push(piece)), ...scanner.end()].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  );
}

// Line by line, as one would by hand.
function reference(text: string): Sighting[] {
  return findSecrets(text).map(({ index, length: _, ...secret }) => {
    const before = text.slice(0, index).split('\n');
    return { ...secret, line: before.length, column: (before.at(-1) ?? '').length + 1 };
  });
}

describe('a scanner for secrets of all kinds', () => {
  test('tells line and column in bytes, kind and fingerprint', () => {
    const text = `a\nää ${GITHUB} ${TOKEN}\n`;
    expect(scan([Buffer.from(text)])).toMatchObject([
      { line: 2, column: 6, kind: 'github-token', fingerprint: findSecrets(GITHUB)[0]?.fingerprint },
      { line: 2, column: 47, kind: OWN_KIND, publicId: expect.stringMatching(/^tok_/) },
    ]);
  });

  test.each([
    ['little-endian', (text: string) => Buffer.from(text, 'utf16le')],
    ['big-endian', (text: string) => Buffer.from(text, 'utf16le').swap16()],
  ])('reads UTF-16, %s, by its byte order mark', (_title, encode) => {
    const bytes = encode(`\ufeff1\r\n\u20ac ${GITHUB}\r\n${TOKEN}\r\n`);
    for (const pieces of [[bytes], [bytes.subarray(0, 5), bytes.subarray(5)]]) {
      expect(scan(pieces)).toMatchObject([
        { line: 2, column: 5, kind: 'github-token' },
        { line: 3, column: 1, kind: OWN_KIND },
      ]);
    }
  });

  test('looks in a binary stream for tokens of this service alone', () => {
    const bytes = Buffer.concat([Buffer.from([0x7f, 0x45, 0]), Buffer.from(`${GITHUB} ${TOKEN}`)]);
    expect(scan([bytes]).map(({ kind }) => kind)).toEqual([OWN_KIND]);
  });

  test('finds the same in a big stream, however it is cut', () => {
    const line = `${'x y '.repeat(25)}\n`;
    const parts = [line.repeat(9_000), line.repeat(700), `${'z'.repeat(120_000)} `];
    const secrets = [
      GITHUB,
      `api_key = "${base62(40)}"\n`,
      pem(`PRIVATE ${'KEY'}`),
      jwt({ sub: base62(6_000) }),
      TOKEN,
    ];
    const content = fc.array(fc.oneof(fc.constantFrom(...parts), fc.constantFrom(...secrets)), {
      minLength: 4,
      maxLength: 14,
    });
    fc.assert(
      fc.property(content, fc.integer({ min: 20_000, max: 2_000_000 }), (some, size) => {
        const text = some.join('\n');
        const bytes = Buffer.from(text);
        const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        );
        expect(scan(pieces)).toEqual(reference(text));
      }),
      { numRuns: 25 },
    );
  });

  test('finds what the border of a window cuts, wherever it does', () => {
    for (const secret of [GITHUB, `secret: "${base62(40)}"`, pem(`RSA PRIVATE ${'KEY'}`)]) {
      for (let place = 0; place <= secret.length + 300; place += 37) {
        const window = 1024 * 1024;
        const text = `${'-\n'.repeat((window - 17_000) / 2)}${'- '.repeat(8_500).slice(0, 17_000 - place)}${secret}\n${'-\n'.repeat(400_000)}`;
        expect(scan([Buffer.from(text.slice(0, window)), Buffer.from(text.slice(window))])).toHaveLength(1);
      }
    }
  });
});
