import { literalsOf, matchesTextGlob } from './text-glob.js';

/** What a pattern is held against. `shell` is a command line: a wildcard of an `allow` reaches over none of the characters
 *  that begin another command. `text` is anything else, such as a path or a URL. */
export type ArgumentSyntax = 'shell' | 'text';

/** A member of a tool's input and a glob over its text. `name` is the member's name, or several with dots between for one
 *  further down. `syntax` matters to an `allow` alone; without it, `shell`. */
export interface ToolArgument {
  readonly name: string;
  readonly pattern: string;
  readonly syntax?: ArgumentSyntax | undefined;
}

/** How an argument meets a pattern. `unreadable` is what is there and cannot be held against it: a list, an object, or a
 *  text of more than 65 536 characters. `beyond` matches only by what an `allow` must not reach over. */
export type ArgumentMatch =
  | { readonly kind: 'matches' }
  | { readonly kind: 'differs' | 'missing' | 'unreadable' | 'beyond'; readonly why: string };

const MAX_EXAMINED = 65_536;
const MAX_NAME_LENGTH = 256;

// What ends a command, begins another, groups, substitutes, redirects or comments in a POSIX shell, in zsh or in
// PowerShell, and every control character but the tab. Quoted or not: telling would need the very shell that runs it.
const OPERATOR = /[;&|<>(){}$`#!\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/g;
// `..` as a whole part of a path, also in the encoded form that URL parsers take for it.
const PARENT = /(?<![\w.-])\.\.(?![\w.-])/;

/** Whether a text names a member of a tool's input: 1 to 256 characters, none of its parts between dots empty. */
export function isArgumentName(text: string): boolean {
  if (text.length > MAX_NAME_LENGTH || text.includes('\u0000') || !text.isWellFormed()) return false;
  return text.split('.').every((part) => part !== '');
}

/** Whether a pattern of an `allow` leaves scheme or host of a URL open: its wildcard would reach over a `/` into the path, so that
 *  `https://*.example.com/*` also matched `https://elsewhere.example/.example.com/`. */
export function leavesHostOpen(pattern: string): boolean {
  const origins = pattern.match(/[^\s/]*:\/\/[^\s/]*/g) ?? [];
  return origins.some((origin) => literalsOf(origin).length > 1);
}

/** Whether a text has `..` as a part of a path. A wildcard of an `allow` never matches one. */
export function goesUp(text: string): boolean {
  return PARENT.test(text.replace(/%2e/gi, '.').replace(/%2f|%5c/gi, '/'));
}

/** Holds a tool's input against an argument's pattern. */
export function matchArgument(argument: ToolArgument, input: unknown): ArgumentMatch {
  const found = memberOf(input, argument.name.split('.'));
  if (found === MISSING) return { kind: 'missing', why: `the input has no ${argument.name}` };
  if (found === undefined) return { kind: 'unreadable', why: `${argument.name} is not a text` };
  if (found.length > MAX_EXAMINED) {
    return { kind: 'unreadable', why: `${argument.name} is longer than ${MAX_EXAMINED} characters` };
  }
  if (!matchesTextGlob(argument.pattern, found)) {
    return { kind: 'differs', why: `${argument.name} does not match the pattern` };
  }
  const beyond = reachesBeyond(argument, found);
  return beyond === undefined ? { kind: 'matches' } : { kind: 'beyond', why: `${argument.name} ${beyond}` };
}

/** What a wildcard would have to stand for that an `allow` does not give away. The pieces of a pattern stand in a text that
 *  it matches, each in a place of its own: an operator more than they spell is one that a wildcard took. */
function reachesBeyond(argument: ToolArgument, text: string): string | undefined {
  const literals = literalsOf(argument.pattern);
  if (literals.length === 1) return undefined;
  if (goesUp(text)) return 'goes up in a path with ".."';
  if (argument.syntax === 'text') return undefined;
  const extra = firstExtra(
    operatorsOf(text),
    literals.flatMap((literal) => [...operatorsOf(literal)]),
  );
  return extra === undefined ? undefined : `has ${JSON.stringify(extra)}, which the pattern does not spell out`;
}

/** One after the other, so that a text full of them is read no further than to the first that is too many. */
function* operatorsOf(text: string): Generator<string> {
  for (const [operator] of text.matchAll(OPERATOR)) yield operator;
}

/** The first item of a list that another one, taken item by item, does not account for. */
function firstExtra(items: Iterable<string>, accounted: readonly string[]): string | undefined {
  const left = new Map<string, number>();
  for (const item of accounted) left.set(item, (left.get(item) ?? 0) + 1);
  for (const item of items) {
    const count = left.get(item) ?? 0;
    if (count <= 0) return item;
    left.set(item, count - 1);
  }
  return undefined;
}

const MISSING = Symbol('missing');

/** The text form of a member: a string as it is, numbers and booleans as JSON prints them. `null` counts as missing;
 *  `undefined` is what has no text form. No list is gone into: a rule over one of its items would say nothing of the
 *  others. */
function memberOf(input: unknown, path: readonly string[]): string | typeof MISSING | undefined {
  let value = input;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const member: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;
    if (member === undefined || member === null) return MISSING;
    value = member;
  }
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? JSON.stringify(value) : undefined;
}
