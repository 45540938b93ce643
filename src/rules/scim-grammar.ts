import { accept, type Result, type ScimErrorType } from './refusal.js';
import { invalidScim } from './scim-error.js';
import { COMPARISONS, type Comparison, type ScimFilter } from './scim-filter.js';
import { attributeName, foldCase, MULTI_VALUED, NOT_KEPT, SCIM_ATTRIBUTES } from './scim-user.js';

/** What a path of a change points at: an attribute, one of its values, a member of it. RFC 7644 section 3.5.2. */
export interface ScimPath {
  /** In lower case; `undefined` for one of another schema. */
  readonly attribute: string | undefined;
  readonly filter: ScimFilter | undefined;
}

// Nothing that a provider sends is near these. They keep the stack flat and the work of one filter small.
const MAX_LENGTH = 2_048;
const MAX_DEPTH = 10;
const MAX_COMPARISONS = 32;

// No character starts two of these, and inside a string none fits twice: reading is linear.
const TOKEN = /\s*(?:([()[\]])|("(?:[^"\\]|\\.)*")|([^\s()[\]"]+))/y;

class FilterError extends Error {}

/** Reads a filter. The whole grammar of RFC 7644 section 3.4.2.2, and Entra's `emails[type eq "work"].value eq "…"`.
 *  Refuses `invalidFilter` for another syntax, an attribute that is not known, a comparison that it does not have, and what
 *  is longer than 2048 characters, nested more than 10 deep or more than 32 comparisons. */
export function parseScimFilter(given: string): Result<ScimFilter> {
  return reading('invalidFilter', () => {
    const reader = createReader(given);
    const filter = reader.filter();
    reader.end();
    return filter;
  });
}

/** Reads the path of a change. One into an attribute of which nothing is kept stands for the attribute, whatever it chooses
 *  there. Refuses `invalidPath`. */
export function parseScimPath(given: string): Result<ScimPath> {
  const bracket = given.indexOf('[');
  if (bracket > 0) {
    const attribute = attributeName(given.slice(0, bracket));
    if (attribute === undefined || NOT_KEPT.has(attribute)) return accept({ attribute, filter: undefined });
  }
  return reading('invalidPath', () => createReader(given).path());
}

function createReader(given: string) {
  const tokens = tokensOf(given);
  let at = 0;
  let depth = 0;
  let comparisons = 0;
  const next = () => tokens[at] ?? '';
  const take = () => {
    at += 1;
    return tokens[at - 1] ?? '';
  };
  const isWord = (...words: readonly string[]) => words.includes(foldCase(next()));
  const expect = (token: string) => {
    if (take() !== token) throw new FilterError(`a ${token} is missing`);
  };
  const nested = <T>(read: () => T): T => {
    depth += 1;
    if (depth > MAX_DEPTH) throw new FilterError('is nested too deeply');
    const value = read();
    depth -= 1;
    return value;
  };

  /** `prefix` is the attribute whose brackets it stands in. */
  const filter = (prefix?: string): ScimFilter =>
    joinedBy('or', 'any', () => joinedBy('and', 'all', () => term(prefix)));

  const joinedBy = (word: string, kind: 'all' | 'any', read: () => ScimFilter): ScimFilter => {
    const first = read();
    const parts = [first];
    while (isWord(word)) {
      take();
      parts.push(read());
    }
    return parts.length === 1 ? first : { kind, parts };
  };

  const term = (prefix: string | undefined): ScimFilter => {
    if (next() === '(') return group(prefix);
    // An attribute may be called `not`.
    if (isWord('not') && tokens[at + 1] === '(') {
      take();
      return { kind: 'not', part: group(prefix) };
    }
    return expression(prefix);
  };

  const group = (prefix: string | undefined): ScimFilter => {
    expect('(');
    const inner = nested(() => filter(prefix));
    expect(')');
    return inner;
  };

  const expression = (prefix: string | undefined): ScimFilter => {
    comparisons += 1;
    if (comparisons > MAX_COMPARISONS) throw new FilterError(`has more than ${MAX_COMPARISONS} comparisons`);
    const name = take();
    if (next() !== '[') return comparison(named(name, prefix));
    if (prefix !== undefined) throw new FilterError('has brackets within brackets');
    const { attribute: outer, filter: chosen } = bracketed(name);
    if (!next().startsWith('.')) return chosen;
    return { kind: 'all', parts: [chosen, comparison(named(take().slice(1), outer))] };
  };

  const bracketed = (given: string) => {
    const outer = attributeName(given);
    if (outer === undefined || !MULTI_VALUED.has(outer)) throw new FilterError(`${shown(given)} takes no brackets`);
    expect('[');
    const chosen = nested(() => filter(outer));
    expect(']');
    return { attribute: outer, filter: chosen };
  };

  const comparison = (name: string): ScimFilter => {
    const by = foldCase(take());
    if (by === 'pr') return { kind: 'present', attribute: name };
    const known = COMPARISONS.find((one) => one === by);
    if (known === undefined) throw new FilterError(`${shown(by)} is no comparison`);
    return { kind: 'compare', attribute: name, by: known, value: comparable(name, known, valueIn(take())) };
  };

  const path = (): ScimPath => {
    const name = take();
    const outer = next() === '[' ? bracketed(name) : { attribute: attributeName(name), filter: undefined };
    const sub = next().startsWith('.') && outer.filter !== undefined ? take() : '';
    end();
    if (name === '' || /[()[\]"]/.test(name)) throw new FilterError('is no attribute');
    return {
      attribute: outer.attribute === undefined ? undefined : `${outer.attribute}${foldCase(sub)}`,
      filter: outer.filter,
    };
  };

  const end = () => {
    if (at < tokens.length) throw new FilterError(`${shown(next())} is not expected`);
  };

  return { filter, path, end };
}

function tokensOf(given: string): string[] {
  if (given.length > MAX_LENGTH) throw new FilterError(`is longer than ${MAX_LENGTH} characters`);
  const rest = given.trimEnd();
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < rest.length) {
    const [, mark, quoted, word] = TOKEN.exec(rest) ?? [];
    const token = mark ?? quoted ?? word;
    if (token === undefined) throw new FilterError('has a text without an end');
    tokens.push(token);
  }
  return tokens;
}

/** The attribute that a filter names. */
function named(given: string, prefix: string | undefined): string {
  const name = prefix === undefined ? attributeName(given) : `${prefix}.${foldCase(given)}`;
  if (name === undefined || !SCIM_ATTRIBUTES.has(name)) throw new FilterError(`${shown(given)} is not known here`);
  return name;
}

function valueIn(token: string): string | boolean | null {
  switch (foldCase(token)) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
  }
  try {
    const value: unknown = JSON.parse(token);
    if (typeof value === 'string') return value;
  } catch {
    // Neither a JSON text nor a number.
  }
  throw new FilterError(`${shown(token)} is no value that can be compared`);
}

function comparable(name: string, by: Comparison, value: string | boolean | null): string | boolean | null {
  if (value === null) return value;
  const type = SCIM_ATTRIBUTES.get(name)?.type ?? 'string';
  const isEquality = by === 'eq' || by === 'ne';
  switch (type) {
    case 'boolean': {
      // Entra writes booleans as texts.
      const truth = typeof value === 'string' ? booleanIn(value) : value;
      if (truth === undefined || !isEquality) throw new FilterError(`${name} is true or false`);
      return truth;
    }
    case 'dateTime':
      if (typeof value !== 'string' || Number.isNaN(Date.parse(value)) || ['co', 'sw', 'ew'].includes(by)) {
        throw new FilterError(`${name} is a time`);
      }
      return value;
    case 'string':
      if (typeof value !== 'string') throw new FilterError(`${name} is a text`);
      return value;
  }
}

/** A boolean that was written as a text, as Entra does. */
export function booleanIn(given: string): boolean | undefined {
  const folded = foldCase(given);
  return folded === 'true' ? true : folded === 'false' ? false : undefined;
}

/** The caller's own words, as far as they fit into an error. */
function shown(given: string): string {
  return given === '' ? 'the end' : JSON.stringify(given.slice(0, 64).toWellFormed());
}

function reading<T>(type: ScimErrorType, read: () => T): Result<T> {
  try {
    return accept(read());
  } catch (error) {
    if (error instanceof FilterError) return invalidScim(type, error.message);
    throw error;
  }
}
