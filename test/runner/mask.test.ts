import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printToken } from '../../src/rules/format.js';
import { Masker, maskText, secretPatterns } from '../../src/runner/mask.js';
import { anyToken } from '../setup/arbitraries.js';

const patterns = (token: string) => secretPatterns(token);
const printed = anyToken.map(printToken);

/** Output with the token in it: whole, in part, in base64 behind any prefix, and bytes that are no text. */
const anyOutput = printed.chain((token) => {
  const secret = token.slice(27);
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(token, secret, `${token}${token}`, token.slice(0, 60), secret.slice(0, 9), secret.slice(3))
      .map((text) => Buffer.from(text)),
    fc.string({ maxLength: 5 }).map((prefix) => Buffer.from(Buffer.from(`${prefix}:${token}:x`).toString('base64'))),
  );
  return fc.record({
    token: fc.constant(token),
    output: fc.array(piece, { maxLength: 6 }).map((all) => Buffer.concat(all)),
  });
});

function masked(token: string, chunks: readonly Buffer[]): Buffer {
  const masker = new Masker(patterns(token));
  return Buffer.concat([...chunks.map((chunk) => masker.push(chunk)), masker.end()]);
}

function splitAt(output: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (output.length + 1)), output.length].sort((a, b) => a - b);
  return places.slice(1).map((to, index) => output.subarray(places[index], to));
}

test('however the output is cut into chunks, the same bytes are masked', () => {
  fc.assert(
    fc.property(anyOutput, fc.array(fc.nat(), { maxLength: 20 }), ({ token, output }, cuts) => {
      expect(masked(token, splitAt(output, cuts))).toEqual(masked(token, [output]));
    }),
    { numRuns: 500 },
  );
});

test('the secret is never in the masked output, not in base64 either', () => {
  fc.assert(
    fc.property(anyOutput, ({ token, output }) => {
      const text = masked(token, [output]);
      for (const pattern of patterns(token)) expect(text.includes(pattern)).toBe(false);
    }),
  );
});

test('output without the secret passes unchanged, whatever bytes it is made of', () => {
  fc.assert(
    fc.property(printed, fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat()), (token, bytes, cuts) => {
      const output = Buffer.from(bytes);
      expect(masked(token, splitAt(output, cuts))).toEqual(output);
    }),
  );
});

test('a masked token keeps its public id, so that a reader knows which one it was', () => {
  fc.assert(
    fc.property(printed, (token) => {
      expect(masked(token, [Buffer.from(`<${token}>`)]).toString()).toBe(`<${token.slice(0, 27)}***>`);
    }),
  );
});

test('a prompt that ends like the secret begins shows when the stream goes quiet, once', () => {
  const token = `cst_${'0'.repeat(22)}_${'Password'.padEnd(49, 'x')}`;
  const masker = new Masker(patterns(token));
  expect(masker.push(Buffer.from('Name P')).toString()).toBe('Name ');
  expect(masker.quiet().toString()).toBe('P');
  expect(masker.quiet().toString()).toBe('');
  expect(masker.push(Buffer.from('lease')).toString()).toBe('lease');
  expect(masker.end().toString()).toBe('');
});

test('more than three characters of the secret do not show, however long the stream is quiet', () => {
  const token = `cst_${'0'.repeat(22)}_${'Password'.padEnd(49, 'x')}`;
  const masker = new Masker(patterns(token));
  expect(masker.push(Buffer.from(token.slice(0, 31))).toString()).toBe(token.slice(0, 27));
  expect(masker.quiet().toString()).toBe('');
  expect(masker.push(Buffer.from(token.slice(31))).toString()).toBe('***');
});

test('any token in a message is masked, and the own one in whatever form it has', () => {
  fc.assert(
    fc.property(printed, printed, (own, other) => {
      expect(maskText(`a ${own} b ${other}`, own)).toBe(`a ${own.slice(0, 27)}*** b ${other.slice(0, 27)}***`);
    }),
  );
  expect(maskText('an odd-token here', 'odd-token')).toBe('an *** here');
});
