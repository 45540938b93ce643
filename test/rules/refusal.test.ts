import { expect, test } from 'vitest';
import { invalid, pointerTo } from '../../src/rules/refusal.js';

test('a path is printed as a JSON pointer in URI fragment form (RFC 6901 section 6)', () => {
  expect(pointerTo([])).toBe('#');
  expect(pointerTo(['scopes', 0])).toBe('#/scopes/0');
  expect(pointerTo(['a/b', 'm~n', 'c%d', ' ', '"', 'é'])).toBe('#/a~1b/m~0n/c%25d/%20/%22/%C3%A9');
  expect(pointerTo([''])).toBe('#/');
});

test('a name with a lone surrogate, which JSON can carry, still has a pointer', () => {
  expect(pointerTo(['\ud800'])).toBe('#/%EF%BF%BD');
});

test('a refusal of one member names it', () => {
  expect(invalid(['workflow'], 'is unknown')).toEqual({
    ok: false,
    refusal: { kind: 'invalid', errors: [{ pointer: '#/workflow', detail: 'is unknown' }] },
  });
});
