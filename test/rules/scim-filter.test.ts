import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitsFilter, keysOf, type ScimFilter } from '../../src/rules/scim-filter.js';
import { parseScimFilter, parseScimPath } from '../../src/rules/scim-grammar.js';
import { SCIM_ATTRIBUTES, type ScimUser } from '../../src/rules/scim-user.js';

const ADA: ScimUser = {
  id: 'mem_0000000000000000000001',
  externalId: 'Okta-1',
  userName: 'Ada@example.com',
  displayName: 'Ada "the first" (and last)',
  active: true,
  role: 'admin',
  created: '2026-01-02T03:04:05.000Z',
};
const NOBODY: ScimUser = { ...ADA, externalId: undefined, displayName: undefined, active: false, role: 'member' };

function parse(text: string): ScimFilter {
  const filter = parseScimFilter(text);
  if (!filter.ok) throw new Error(`${text} is refused: ${JSON.stringify(filter.refusal)}`);
  return filter.value;
}
const fits = (text: string, user = ADA) => fitsFilter(parse(text), user);

describe('a filter (RFC 7644 section 3.4.2.2)', () => {
  it.each([
    ['userName eq "ada@EXAMPLE.com"', true],
    ['USERNAME EQ "ada@example.com"', true],
    ['urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada@example.com"', true],
    ['userName ne "ada@example.com"', false],
    ['userName co "@"', true],
    ['userName sw "ada"', true],
    ['userName ew ".COM"', true],
    ['userName ew ".org"', false],
    ['userName pr', true],
    ['externalId eq "Okta-1"', true],
    ['externalId eq "okta-1"', false],
    ['id eq "mem_0000000000000000000001"', true],
    ['active eq true', true],
    ['active eq "True"', true],
    ['active eq False', false],
    ['active ne false', true],
    ['emails eq "ada@example.com"', true],
    ['emails.value eq "ada@example.com"', true],
    ['emails[type eq "work"]', true],
    ['emails[type eq "work" and value co "@example.com"]', true],
    ['emails[type eq "home" and value co "@example.com"]', false],
    ['emails[type eq "work"].value eq "ada@example.com"', true],
    ['emails[type eq "work"].value eq "eve@example.com"', false],
    ['emails[not (type eq "work")]', false],
    ['roles.value eq "admin" and roles[primary eq true]', true],
    ['displayName eq "ada \\"the first\\" (and last)"', true],
    ['displayName co "(AND"', true],
    ['name.formatted pr and name pr', true],
    ['meta.resourceType eq "User"', true],
    ['meta.created gt "2026-01-01T00:00:00Z"', true],
    ['meta.created lt "2026-01-02T04:04:05+01:00"', false],
    ['meta.created le "2026-01-02T04:04:05+01:00"', true],
    ['userName gt "aaa" and userName lt "b"', true],
    ['userName pr and not (active eq true)', false],
    ['userName eq "x" or active eq true and externalId pr', true],
    ['(userName eq "x" or active eq true) and externalId eq "y"', false],
    ['not (userName eq "x" or userName eq "y")', true],
    ['not (not (active eq true))', true],
    ['externalId eq null', false],
    ['externalId ne null', true],
    ['  userName   pr  ', true],
    ['schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"', true],
  ])('%s', (text, fit) => {
    expect(fits(text)).toBe(fit);
  });

  it.each([
    ['externalId pr', false],
    ['externalId eq null', true],
    ['externalId ne "x"', true],
    ['externalId co ""', false],
    ['externalId gt ""', false],
    ['displayName eq ""', false],
    ['active eq false', true],
  ])('of what is not there: %s', (text, fit) => {
    expect(fits(text, NOBODY)).toBe(fit);
  });

  it('binds `and` closer than `or`, and words only where they stand alone', () => {
    expect(fits('active eq false and userName pr or userName pr')).toBe(true);
    expect(fits('displayName co " and "')).toBe(false);
    expect(fits('displayName co "and last"')).toBe(true);
  });

  it.each([
    '',
    ' ',
    'userName',
    'userName eq',
    'userName eq ada',
    "userName eq 'ada'",
    'userName = "ada"',
    'userName eq "ada',
    'userName eq "a\nb"',
    'userName eq "a" and',
    'userName eq "a" userName eq "b"',
    'and userName pr',
    'not userName pr',
    '(userName pr',
    'userName pr)',
    '()',
    'emails[]',
    'emails[type eq "work"',
    'emails[emails[type pr]]',
    'userName[type eq "work"]',
    'emails[type eq "work"].',
    'emails[type eq "work"].value',
    'emails[password pr]',
    'userName eq 1',
    'userName eq true',
    'active gt true',
    'active eq "yes"',
    'active eq 1',
    'meta.created eq "yesterday"',
    'meta.created co "2026"',
    'password eq "x"',
    'nickName pr',
    'constructor pr',
    '__proto__ pr',
    'userName.toString pr',
    'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "x"',
    'userName eq {"a":1}',
    'userName eq ["a"]',
    'userName regex ".*"',
    `userName eq "a"; drop table members`,
  ])('is refused with invalidFilter: %j', (text) => {
    expect(parseScimFilter(text)).toMatchObject({ ok: false, refusal: { kind: 'scim', error: 'invalidFilter' } });
  });

  it('of ten thousand brackets is refused, and costs no stack', () => {
    for (const deep of ['(', 'not (', 'emails[', 'emails[(']) {
      const text = `${deep.repeat(10_000)}userName pr${')'.repeat(10_000)}`;
      expect(parseScimFilter(text).ok).toBe(false);
      expect(parseScimFilter(`${deep.repeat(100)}userName pr`).ok).toBe(false);
    }
    expect(fits(`${'('.repeat(10)}userName pr${')'.repeat(10)}`)).toBe(true);
    expect(parseScimFilter(`${'('.repeat(11)}userName pr${')'.repeat(11)}`).ok).toBe(false);
  });

  it('has no form that takes longer than its length: hostile ones are answered like any other', () => {
    const hostile = [
      `userName eq "${'\\'.repeat(2_000)}`,
      `userName eq "${'\\"'.repeat(1_000)}`,
      `${'"'.repeat(2_000)}`,
      `${' '.repeat(2_040)}x`,
      `userName eq "a"${' '.repeat(2_000)}`,
      `${'emails['.repeat(290)}`,
      `${'a.'.repeat(1_000)} pr`,
      Array(32).fill('(userName eq "a" or userName eq "b")').join(' and '),
      Array(30).fill('userName eq "a"').join(' or '),
      Array(64).fill('not').join(' '),
    ];
    for (const text of hostile) expect(() => parseScimFilter(text)).not.toThrow();
    expect(parseScimFilter(Array(32).fill('active pr').join(' or ')).ok).toBe(true);
    expect(parseScimFilter(Array(33).fill('active pr').join(' or ')).ok).toBe(false);
    expect(parseScimFilter(`userName eq "${'a'.repeat(2_048)}"`).ok).toBe(false);
  });

  it('never throws, whatever it is', () => {
    const word = fc.constantFrom(
      ...[
        'userName',
        'emails',
        'eq',
        'pr',
        'and',
        'or',
        'not',
        '(',
        ')',
        '[',
        ']',
        '"a"',
        '.value',
        'true',
        'null',
        '\\',
        '"',
      ],
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word, { maxLength: 30 }).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, (any) => {
        const filter = parseScimFilter(any);
        parseScimPath(any);
        return !filter.ok || typeof fitsFilter(filter.value, ADA) === 'boolean';
      }),
    );
  });

  it('letters that look like others are others', () => {
    const kelvin = '\u212A';
    const long = '\u017F';
    const user = { ...ADA, userName: 'kate.smith@example.com' };
    expect(fits(`userName eq "${kelvin}ate.smith@example.com"`, user)).toBe(false);
    expect(fits(`userName eq "kate.${long}mith@example.com"`, user)).toBe(false);
    expect(keysOf(parse(`userName eq "${kelvin}ate@example.com"`))?.emails).toEqual([`${kelvin}ate@example.com`]);
  });
});

describe('the keys of a filter', () => {
  it.each([
    ['userName eq "Ada@example.com"', { emails: ['ada@example.com'] }],
    ['emails[type eq "work" and value eq "a@b.c"]', { emails: ['a@b.c'] }],
    ['emails[type eq "work"].value eq "a@b.c"', { emails: ['a@b.c'] }],
    ['active eq true and externalId eq "X"', { externalIds: ['X'] }],
    ['id eq "mem_1" or userName eq "a@b.c"', { ids: ['mem_1'], emails: ['a@b.c'] }],
  ])('%s', (text, keys) => {
    expect(keysOf(parse(text))).toEqual({ ids: [], externalIds: [], emails: [], ...keys });
  });

  it.each([
    'active eq true',
    'userName ne "a@b.c"',
    'userName sw "a"',
    'not (userName eq "a@b.c")',
    'userName eq "a@b.c" or active eq true',
    'userName eq null',
    'externalId pr',
  ])('are none where everybody has to be looked at: %s', (text) => {
    expect(keysOf(parse(text))).toBeUndefined();
  });

  it('hold everybody whom the filter fits', () => {
    const value = fc.constantFrom('a@b.c', 'A@B.C', 'd@e.f', 'x', 'mem_1');
    const compare = fc
      .tuple(
        fc.constantFrom('userName', 'externalId', 'id', 'active', 'emails.value'),
        fc.constantFrom('eq', 'ne'),
        value,
      )
      .map(([name, by, text]) => (name === 'active' ? `active ${by} true` : `${name} ${by} "${text}"`));
    const { filter } = fc.letrec<{ filter: string; node: string }>((tie) => ({
      filter: fc.oneof({ depthSize: 'small' }, compare, tie('node')),
      node: fc
        .tuple(fc.constantFrom(' and ', ' or '), fc.array(tie('filter'), { minLength: 1, maxLength: 3 }), fc.boolean())
        .map(([word, parts, isNot]) => `${isNot ? 'not ' : ''}(${parts.join(word)})`),
    }));
    const user = fc.record({
      userName: value,
      externalId: fc.option(value, { nil: undefined }),
      id: value,
      active: fc.boolean(),
    });
    fc.assert(
      fc.property(filter, user, (text, some) => {
        const parsed = parseScimFilter(text);
        const keys = parsed.ok ? keysOf(parsed.value) : undefined;
        const person = { ...ADA, ...some };
        if (!parsed.ok || keys === undefined || !fitsFilter(parsed.value, person)) return true;
        const isFound =
          keys.ids.includes(person.id) ||
          keys.externalIds.includes(person.externalId ?? '') ||
          keys.emails.includes(person.userName.toLowerCase());
        return isFound;
      }),
    );
  });
});

describe('the path of a change (RFC 7644 section 3.5.2)', () => {
  it.each([
    ['active', 'active'],
    ['userName', 'username'],
    ['name.formatted', 'name.formatted'],
    ['urn:ietf:params:scim:schemas:core:2.0:User:active', 'active'],
    ['URN:IETF:params:scim:schemas:core:2.0:USER:Active', 'active'],
    ['emails[type eq "work"].value', 'emails.value'],
    ['roles[primary eq "True"].value', 'roles.value'],
    ['emails[type eq "work"]', 'emails'],
    ['urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department', undefined],
  ])('%s', (path, attribute) => {
    expect(parseScimPath(path)).toMatchObject({ ok: true, value: { attribute } });
  });

  it.each([
    '',
    ' ',
    '[',
    'emails[',
    'emails[type eq "work"',
    'emails[type eq "work"].value.x y',
    'a b',
    '"active"',
    'active]',
    '(active)',
  ])('is refused with invalidPath: %j', (path) => {
    expect(parseScimPath(path)).toMatchObject({ ok: false, refusal: { error: 'invalidPath' } });
  });
});

it('every attribute of a filter is in lower case, as it is looked up', () => {
  for (const name of SCIM_ATTRIBUTES.keys()) expect(name).toBe(name.toLowerCase());
});
