import { describe, expect, test } from 'vitest';
import { isReservedLabel, isWorkflowLabel } from '../../src/rules/workflow.js';

describe('a workflow label', () => {
  test.each(['a', '0', 'nightly', 'a.b_c-d', 'a..b', '9-9', 'a'.repeat(64)])('may be %s', (label) => {
    expect(isWorkflowLabel(label)).toBe(true);
  });

  test.each([
    '',
    '.',
    '..',
    '-',
    'a-',
    '.a',
    'a_',
    'A',
    'Nightly',
    'a b',
    'a/b',
    'a\n',
    '\na',
    'a\u0000',
    'а',
    'ａ',
    'é',
    'ﬁ',
    'a\u0301',
    '\ud800',
    'a%2fb',
    'a'.repeat(65),
  ])('may not be %j', (label) => {
    expect(isWorkflowLabel(label)).toBe(false);
  });

  test("is the service's own when it is countersign or starts with countersign.", () => {
    expect(['countersign', 'countersign.', 'countersign.members'].map(isReservedLabel)).toEqual([true, true, true]);
    expect(['countersigns', 'countersign-x', 'my.countersign', 'a'].map(isReservedLabel)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
