import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { timestamp } from '../../src/wire/answers.js';
import {
  constraints,
  cursor,
  fieldErrors,
  limit,
  line,
  prose,
  publicId,
  scope,
  scopes,
  workflowLabel,
} from '../../src/wire/primitives.js';

const takes = (schema: z.ZodType, value: unknown) => schema.safeParse(value).success;

const parsed = <T>(schema: z.ZodType<T>, value: unknown): T => schema.parse(value);

const NOT_TEXT = [undefined, null, 1, 1.5, Number.NaN, true, [], ['a'], {}, 1n, Symbol('a')];
const CONTROLS = ['\u0000', '\u0001', '\u001b', '\u007f', '\u0080', '\u009b', '\u009f'];
const LONE_SURROGATES = ['\ud800', '\udfff', 'a\udc00b', '\ud83d', '\ude00\ud83d'];

describe('text that a person wrote', () => {
  test('holds no control characters and no lone surrogates, in one line or many', () => {
    for (const text of [...CONTROLS, ...LONE_SURROGATES]) {
      expect([text, takes(line(100), `a${text}b`)]).toEqual([text, false]);
      expect([text, takes(prose(100), `a${text}b`)]).toEqual([text, false]);
    }
  });

  test('breaks lines only in prose', () => {
    for (const text of ['a\tb', 'a\nb']) {
      expect(takes(line(100), text)).toBe(false);
      expect(takes(prose(100), text)).toBe(true);
    }
  });

  test('may be in any script, with emoji', () => {
    for (const text of ['', 'Ada', 'Жанна', '山田', 'שלום', '👩‍💻', 'e\u0301', "O'Brien <x>; --"]) {
      expect(parsed(line(100), text)).toBe(text);
    }
  });

  test('is not longer than said', () => {
    expect(takes(line(100), 'a'.repeat(100))).toBe(true);
    expect(takes(line(100), 'a'.repeat(101))).toBe(false);
    expect(takes(prose(1000), 'a'.repeat(65_536))).toBe(false);
  });

  test('is text', () => {
    for (const value of NOT_TEXT) expect(takes(line(100), value)).toBe(false);
  });

  test('is kept as it came: what is taken can be stored and is never changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        if (takes(line(100), text)) expect(parsed(line(100), text)).toBe(text);
        expect(takes(line(100), text)).toBe(!/\p{Cc}/u.test(text));
      }),
    );
  });
});

describe('a time (RFC 3339)', () => {
  test.each([
    '2026-01-31T12:00:00Z',
    '2026-01-31T12:00:00.5Z',
    '2026-01-31T12:00:00.123456789012Z',
    '2026-01-31T12:00:00+05:30',
    '2026-01-31T12:00:00-23:59',
    '2026-01-31T12:00:00-00:00',
    '2024-02-29T00:00:00Z',
    '1970-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ])('may be %s', (text) => {
    expect(parsed(timestamp, text)).toBe(text);
    expect(new Date(text).getTime()).not.toBeNaN();
  });

  test.each([
    ['nothing', ''],
    ['a date', '2026-01-31'],
    ['no zone', '2026-01-31T12:00:00'],
    ['no seconds', '2026-01-31T12:00Z'],
    ['a zone without a colon', '2026-01-31T12:00:00+0100'],
    ['a zone of a day', '2026-01-31T12:00:00+24:00'],
    ['a named zone', '2026-01-31T12:00:00 UTC'],
    ['a space between', '2026-01-31 12:00:00Z'],
    ['a comma', '2026-01-31T12:00:00,5Z'],
    ['a leap second, which no stored time can hold', '2016-12-31T23:59:60Z'],
    ['the hour 24', '2026-01-31T24:00:00Z'],
    ['a day that is not', '2026-02-30T00:00:00Z'],
    ['a leap day that is not', '2023-02-29T00:00:00Z'],
    ['the month 13', '2026-13-01T00:00:00Z'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['the year 1969', '1969-12-31T23:59:59Z'],
    ['1969 by its zone', '1970-01-01T00:00:00+00:01'],
    ['the year 10000', '10000-01-01T00:00:00Z'],
    ['10000 by its zone', '9999-12-31T23:59:59-00:01'],
    ['an extended year', '+012026-01-01T00:00:00Z'],
    ['a negative year', '-000001-01-01T00:00:00Z'],
    ['seconds since the epoch', '1767225600'],
    ['a line break', '2026-01-31T12:00:00Z\n'],
    ['NUL', '2026-01-31T12:00:00Z\u0000'],
    ['digits of another script', '２０２６-01-31T12:00:00Z'],
  ])('may not be %s', (_, text) => {
    expect(takes(timestamp, text)).toBe(false);
  });

  test('is text, not a number or a Date', () => {
    for (const value of [...NOT_TEXT, new Date(), 1767225600]) expect(takes(timestamp, value)).toBe(false);
  });
});

describe('a page size', () => {
  test('is a whole number from 1 to 200, 50 when it is not said', () => {
    expect(parsed(limit, undefined)).toBe(50);
    for (const size of [1, 9, 10, 99, 100, 199, 200]) expect(parsed(limit, String(size))).toBe(size);
  });

  test.each([
    '',
    '0',
    '201',
    '999',
    '-1',
    '+5',
    ' 5',
    '5 ',
    '5\n',
    '05',
    '5.0',
    '1e2',
    '0x10',
    'NaN',
    'Infinity',
    'true',
    '５',
  ])('is not %j', (text) => {
    expect(takes(limit, text)).toBe(false);
  });
});

describe('names that decide', () => {
  test('a label is never normalised', () => {
    expect(parsed(workflowLabel, 'nightly.tests-1')).toBe('nightly.tests-1');
    for (const text of ['Nightly', ' nightly', 'nightly\n', 'nightlу', 'nightly\u0000', '..', '', 'a'.repeat(65)]) {
      expect(takes(workflowLabel, text)).toBe(false);
    }
  });

  test('a list of scopes keeps its order and loses its doubles', () => {
    expect(parsed(scopes, ['repo:read', 'codex:exec', 'repo:read'])).toEqual(['repo:read', 'codex:exec']);
    expect(
      takes(
        scopes,
        Array.from({ length: 64 }, (_, at) => `a:${at}`),
      ),
    ).toBe(true);
    expect(
      takes(
        scopes,
        Array.from({ length: 65 }, (_, at) => `a:${at}`),
      ),
    ).toBe(false);
    for (const text of [
      'repo',
      '*',
      'a:*:b',
      'a:',
      'a b:c',
      'a:"',
      'a:é',
      `a:${'b'.repeat(127)}`,
      'a:\u0000',
      '\ud800:a',
    ]) {
      expect(takes(scope, text)).toBe(false);
    }
    for (const value of ['repo:read', { 0: 'repo:read', length: 1 }, null]) expect(takes(scopes, value)).toBe(false);
  });

  test('a public id is of its kind', () => {
    const id = `tok_${'0'.repeat(22)}`;
    expect(parsed(publicId('tok'), id)).toBe(id);
    for (const text of [
      id.replace('tok', 'mem'),
      `${id}0`,
      id.slice(0, -1),
      `${id}\n`,
      ` ${id}`,
      `${id.slice(0, -1)}-`,
    ]) {
      expect(takes(publicId('tok'), text)).toBe(false);
    }
  });

  test('a cursor is short text', () => {
    expect(takes(cursor, 'a'.repeat(512))).toBe(true);
    expect(takes(cursor, 'a'.repeat(513))).toBe(false);
  });

  test('constraints know their kinds, have no empty list and no more than 64 patterns of one kind', () => {
    expect(parsed(constraints, { refs: ['refs/heads/*'], networks: ['10.0.0.0/8'] })).toEqual({
      refs: ['refs/heads/*'],
      networks: ['10.0.0.0/8'],
    });
    expect(takes(constraints, {})).toBe(true);
    const wrong = [
      { refs: [] },
      { refs: 'refs/heads/main' },
      { refs: ['main'] },
      { refs: [''] },
      { refs: [null] },
      { refs: null },
      { environments: ['***'] },
      { environments: ['a**'] },
      { environments: ['//'] },
      { environments: ['a'.repeat(65_536)] },
      { environments: Array.from({ length: 65 }, (_, at) => `e${at}`) },
      { networks: ['10.0.0.0/33'] },
      { branches: ['main'] },
      [],
      null,
    ];
    for (const value of wrong) expect([value, takes(constraints, value)]).toEqual([value, false]);
  });
});

describe('what is said of a fault', () => {
  test('points at it, also at a member whose name is hostile', () => {
    const errors = (text: string) => {
      const result = constraints.safeParse(JSON.parse(text));
      return result.success ? [] : fieldErrors(result.error).map((error) => error.pointer);
    };
    expect(errors('{"refs":["refs/x","main"]}')).toEqual(['#/refs/1']);
    expect(errors('{"a/b":1,"c~d":2}')).toEqual(['#/a~1b', '#/c~0d']);
    expect(errors('{"__proto__":1}')).toEqual(['#/__proto__']);
    expect(errors('{"\\ud800":1}')).toEqual(['#/%EF%BF%BD']);
    expect(errors('7')).toEqual(['#']);
  });
});
