const MIN_LENGTH = 16;
/** Hex of such a length under a secret name is no word. */
const LONG_HEX = /^[0-9a-f]{32,}$/i;
const HEX = /^[0-9a-f]+$/i;
/** Words of letters, a capital before them or not, and numbers. In random base62 they are 1.8 characters long in the mean,
 *  3 or less in all but one of a hundred; in names that people gave, 4 and more. */
const PARTS = /[A-Z]?[a-z]+|[A-Z]+|[0-9]+/g;
const MAX_MEAN_PART = 3.1;

const PLACEHOLDER =
  /example|change[-_]?me|placeholder|replace|your|dummy|sample|redacted|masked|secret[-_]?here|insert|foobar|fake|mock|lorem|deadbeef|x{6}|\*{3}|\.{3}|…|12345|abcdef|fedcba|qwerty|\[a-z|\[0-9/i;
const REPEATED = /(.)\1{6}/;

/** Bits a character, by how often each occurs (Shannon). */
export function shannonEntropy(text: string): number {
  const counts = new Map<number, number>();
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}

/** Whether a value stands in for a secret instead of being one: what documentation and templates are full of. */
export function isPlaceholder(value: string): boolean {
  return PLACEHOLDER.test(value) || REPEATED.test(value);
}

/** Whether a value of 16 characters or more looks drawn at random: enough entropy, digits among its letters, and no words. */
export function looksRandom(value: string): boolean {
  if (value.length < MIN_LENGTH || !/[0-9]/.test(value) || !/[a-z]/i.test(value)) return false;
  const entropy = shannonEntropy(value);
  if (LONG_HEX.test(value)) return entropy >= 3;
  return entropy >= (HEX.test(value) ? 2.8 : 3.2) && meanPart(value) <= MAX_MEAN_PART;
}

/** Whether a value of 8 to 15 characters looks like a password that somebody chose well: three classes of characters, mixed. */
export function looksChosen(value: string): boolean {
  if (value.length < 8 || value.length >= MIN_LENGTH) return false;
  const classes = [/[a-z]/, /[A-Z]/, /[0-9]/, /[^a-zA-Z0-9]/].filter((one) => one.test(value)).length;
  return classes >= 3 && /[0-9]/.test(value) && shannonEntropy(value) >= 2.7 && meanPart(value) <= MAX_MEAN_PART;
}

function meanPart(value: string): number {
  const parts = value.match(PARTS) ?? [];
  return parts.reduce((sum, part) => sum + part.length, 0) / Math.max(1, parts.length);
}
