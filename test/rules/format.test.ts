import { randomFillSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeBase62,
  encodeBase62,
  findTokens,
  idFloor,
  type MemberId,
  newId,
  newTokenSecret,
  parsePublicId,
  parseToken,
  printBusyId,
  printId,
  printToken,
  TOKEN_FORM,
} from '../../src/rules/format.js';
import { anyId, anyToken } from '../setup/arbitraries.js';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** XXH32 after its published description, apart from the library that the code uses. */
function referenceXxh32(text: string, seed = 0): number {
  const [p1, p2, p3, p4, p5] = [0x9e3779b1, 0x85ebca77, 0xc2b2ae3d, 0x27d4eb2f, 0x165667b1] as const;
  const bytes = Buffer.from(text, 'utf8');
  const rotate = (value: number, by: number) => (value << by) | (value >>> (32 - by));
  const round = (lane: number, word: number) => Math.imul(rotate(lane + Math.imul(word, p2), 13), p1);
  let at = 0;
  let hash = seed + p5;
  if (bytes.length >= 16) {
    let [a, b, c, d] = [seed + p1 + p2, seed + p2, seed, seed - p1];
    for (; at + 16 <= bytes.length; at += 16) {
      a = round(a | 0, bytes.readInt32LE(at));
      b = round(b | 0, bytes.readInt32LE(at + 4));
      c = round(c | 0, bytes.readInt32LE(at + 8));
      d = round(d | 0, bytes.readInt32LE(at + 12));
    }
    hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
  }
  hash = (hash + bytes.length) | 0;
  for (; at + 4 <= bytes.length; at += 4) {
    hash = Math.imul(rotate((hash + Math.imul(bytes.readInt32LE(at), p3)) | 0, 17), p4);
  }
  for (; at < bytes.length; at += 1) {
    hash = Math.imul(rotate((hash + Math.imul(bytes.readUInt8(at), p5)) | 0, 11), p1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** A token text of any id and secret digits, with a true checksum. */
function sealed(id: string, secret: string): string {
  const body = `cst_${id}_${secret}`;
  return body + encodeBase62(BigInt(referenceXxh32(body)), 6);
}

describe('the printed token', () => {
  test('what is printed parses to the same token', () => {
    fc.assert(
      fc.property(anyToken, (token) => {
        expect(parseToken(printToken(token))).toEqual(token);
      }),
    );
  });

  test('it has 76 characters of the published form', () => {
    fc.assert(
      fc.property(anyToken, (token) => {
        expect(printToken(token)).toMatch(/^cst_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}$/);
        expect(printToken(token)).toHaveLength(76);
      }),
    );
  });

  test('any one changed character makes it malformed or another token', () => {
    const anyCharacter = fc.oneof(
      fc.constantFrom(...ALPHABET),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    );
    fc.assert(
      fc.property(anyToken, fc.nat(75), anyCharacter, (token, at, character) => {
        const text = printToken(token);
        fc.pre(text[at] !== character);
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        expect(parseToken(changed)).not.toEqual(token);
      }),
      { numRuns: 2000 },
    );
  });

  test('nothing may stand before, after or be missing', () => {
    fc.assert(
      fc.property(anyToken, fc.constantFrom(' ', '\n', '0', 'A', '\u0000'), (token, extra) => {
        const text = printToken(token);
        const wrong = [extra + text, text + extra, text.slice(1), text.slice(0, -1), text.toUpperCase(), ''];
        for (const one of wrong) expect(parseToken(one)).toBeUndefined();
      }),
    );
  });

  test('the checksum is XXH32 with seed 0 of everything before it', () => {
    expect(referenceXxh32('')).toBe(0x02cc5d05);
    expect(referenceXxh32('a')).toBe(0x550d7456);
    expect(referenceXxh32('abc')).toBe(0x32d153ff);
    expect(referenceXxh32('Nobody inspects the spammish repetition')).toBe(0xe2293b2f);
    fc.assert(
      fc.property(anyToken, (token) => {
        const text = printToken(token);
        expect(decodeBase62(text.slice(-6))).toBe(BigInt(referenceXxh32(text.slice(0, -6))));
      }),
    );
  });

  test('a value over 128 bits of id or 256 bits of secret is malformed, with a true checksum too', () => {
    const maxId = encodeBase62(2n ** 128n - 1n, 22);
    const maxSecret = encodeBase62(2n ** 256n - 1n, 43);
    expect(parseToken(sealed(maxId, maxSecret))).toBeDefined();
    expect(parseToken(sealed(encodeBase62(2n ** 128n, 22), maxSecret))).toBeUndefined();
    expect(parseToken(sealed(maxId, encodeBase62(2n ** 256n, 43)))).toBeUndefined();
    expect(parseToken(sealed('z'.repeat(22), maxSecret))).toBeUndefined();
    expect(parseToken(sealed(maxId, 'z'.repeat(43)))).toBeUndefined();
  });

  test('a checksum that is right only modulo 2^32 is malformed', () => {
    fc.assert(
      fc.property(anyToken, (token) => {
        const text = printToken(token);
        const sum = decodeBase62(text.slice(-6)) ?? 0n;
        expect(parseToken(text.slice(0, -6) + encodeBase62(sum + 2n ** 32n, 6))).toBeUndefined();
      }),
    );
  });

  test('a new secret has 43 characters and is not the one before', () => {
    const secrets = Array.from({ length: 200 }, newTokenSecret);
    for (const secret of secrets) expect(secret).toMatch(/^[0-9A-Za-z]{43}$/);
    expect(new Set(secrets).size).toBe(secrets.length);
  });
});

describe('base62', () => {
  test('what is written reads back, in the width that was asked for', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
        const text = encodeBase62(value, 43);
        expect(text).toHaveLength(43);
        expect(decodeBase62(text)).toBe(value);
      }),
    );
  });

  test('digits stand in the order 0-9 A-Z a-z, the most significant first', () => {
    expect([...ALPHABET].map((digit) => decodeBase62(digit))).toEqual([...ALPHABET].map((_, at) => BigInt(at)));
    expect(decodeBase62('10')).toBe(62n);
    expect(encodeBase62(0n, 3)).toBe('000');
  });

  test('any other character is refused', () => {
    for (const text of ['-', '_', ' ', '+', 'é', '０', '\u0000', '1 ']) expect(decodeBase62(text)).toBeUndefined();
  });
});

describe('public ids', () => {
  test('what is printed parses to the same id, and as no other kind', () => {
    fc.assert(
      fc.property(anyId('tok'), (id) => {
        const text = printId('tok', id);
        expect(text).toMatch(/^tok_[0-9A-Za-z]{22}$/);
        expect(parsePublicId('tok', text)).toBe(id);
        expect(parsePublicId('mem', text)).toBeUndefined();
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
      }),
    );
  });

  test('an id of the busy ones is printed the same, also as another kind of thing, and after many others', () => {
    const ids = Array.from({ length: 10_001 }, (_, at) => newId('tok', new Date(at)));
    for (const id of [...ids, ...ids.slice(0, 10)]) {
      expect(printBusyId('tok', id)).toBe(printId('tok', id));
      expect(printBusyId('mem', id as string as MemberId)).toBe(printId('mem', id as string as MemberId));
    }
  });

  test('a value over 128 bits, another width or another character is refused', () => {
    const wrong = [
      `tok_${encodeBase62(2n ** 128n, 22)}`,
      `tok_${'z'.repeat(22)}`,
      `tok_${'0'.repeat(21)}`,
      `tok_${'0'.repeat(23)}`,
      `tok_${'0'.repeat(21)}-`,
      `tok_${'0'.repeat(20)}😀`,
      `TOK_${'0'.repeat(22)}`,
      `tok${'0'.repeat(22)}`,
      '0'.repeat(22),
      '',
    ];
    for (const text of wrong) expect(parsePublicId('tok', text)).toBeUndefined();
  });

  const anyTime = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });

  test('an id made later sorts later, as it is stored and as it is printed', () => {
    fc.assert(
      fc.property(anyTime, anyTime, (one, other) => {
        fc.pre(one !== other);
        const [early, late] = [
          newId('tok', new Date(Math.min(one, other))),
          newId('tok', new Date(Math.max(one, other))),
        ];
        expect(early < late).toBe(true);
        expect(printId('tok', early) < printId('tok', late)).toBe(true);
      }),
    );
  });

  test('a new id is a UUID v7 of its time (RFC 9562 section 5.7)', () => {
    fc.assert(
      fc.property(anyTime, (at) => {
        const id = newId('ws', new Date(at));
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(at);
      }),
    );
  });

  test('the floor of an instant is below its ids and above those of the instant before', () => {
    fc.assert(
      fc.property(anyTime, (at) => {
        expect(idFloor('chk', new Date(at)) < newId('chk', new Date(at))).toBe(true);
        if (at > 0) expect(newId('chk', new Date(at - 1)) < idFloor('chk', new Date(at))).toBe(true);
      }),
    );
  });
});

describe('tokens in a text', () => {
  const pieces = fc.constantFrom('cst_', 'cst', 'c', 't', '_', '0', 'A', 'z', ' ', '\n', 'é', '😀');
  const noise = fc.string({ unit: pieces, maxLength: 60 });

  test('finds exactly the planted ones, also where base62 characters touch them', () => {
    fc.assert(
      fc.property(noise, fc.array(fc.tuple(anyToken, noise), { maxLength: 4 }), (start, planted) => {
        let text = start;
        const expected = planted.map(([token, after]) => {
          const index = text.length;
          text += printToken(token) + after;
          return { index, publicId: printId('tok', token.id) };
        });
        expect(findTokens(text)).toEqual(expected);
      }),
    );
  });

  test('finds none in random base62 of the same form', () => {
    for (let round = 0; round < 500; round += 1) {
      const digits = Array.from(randomFillSync(Buffer.alloc(71)), (byte) => ALPHABET.charAt(byte % 62)).join('');
      expect(findTokens(`cst_${digits.slice(0, 22)}_${digits.slice(22)}`)).toEqual([]);
    }
  });

  test('replacing the form leaves no part of a secret, also behind a decoy that shares its characters', () => {
    fc.assert(
      fc.property(noise, anyToken, noise, fc.boolean(), (before, token, after, hasDecoy) => {
        const decoy = hasDecoy ? `cst_${'0'.repeat(22)}_${'0'.repeat(46)}` : '';
        const text = before + decoy + printToken(token) + after;
        expect(text.replaceAll(TOKEN_FORM, '…')).not.toContain(token.tokenSecret);
      }),
    );
  });
});
