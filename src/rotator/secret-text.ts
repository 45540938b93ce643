import { SinkError } from './sink.js';

/** Of a text that a cloud keeps, what is the secret: all of it, or the text at a key of the JSON object that it is.
 *  `undefined` where there is none. Throws {@link SinkError} for a JSON object without a key to look at, which a write would
 *  end, and for a key in what is no JSON object; `what` names the place for people. */
export function secretIn(text: string, key: string | undefined, what: string): string | undefined {
  const object = objectIn(text);
  if (key === undefined) {
    if (object !== undefined) throw new SinkError(`${what} is a JSON object of several keys: say which by #KEY`);
    return text.trim() === '' ? undefined : text.trim();
  }
  const members = checked(object, what);
  const value = Object.hasOwn(members, key) ? members[key] : undefined;
  return typeof value === 'string' && value !== '' ? value.trim() : undefined;
}

/** The text with another secret at a key; all else in it means what it meant. Throws {@link SinkError} where it is no JSON
 *  object, and where a number in it has more digits than JavaScript keeps. */
export function withSecret(text: string, key: string, secret: string, what: string): string {
  const object = checked(objectIn(text), what);
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/gs, '').match(/-?\d[\d.]*(?:[eE][+-]?\d+)?/g) ?? [];
  if (numbers.some((number) => !isKept(number))) {
    throw new SinkError(`${what} holds a number of more than 15 digits, which would be changed: make it a string`);
  }
  return JSON.stringify({ ...object, [key]: secret });
}

/** Whether JavaScript keeps a number as it is written. */
function isKept(number: string): boolean {
  const digits = number.replace(/[eE].*|\D/g, '').replace(/^0+/, '');
  return digits.length <= 15 && Number.isFinite(Number(number));
}

function checked<T>(object: T | undefined, what: string): T {
  if (object === undefined)
    throw new SinkError(`${what} is no JSON object, so that it has no key: make it one, like {}`);
  return object;
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** By hand: zod leaves a member of the name `__proto__` out. */
function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
