import { findSecrets, SECRET_KINDS } from '../rules/secret-scan.js';

/** What the first secret in a value is, for people: `an AWS secret access key`. Looks at every text in it, at the names
 *  and values of its members side by side, and at nothing of the secret but its kind. */
export function secretIn(value: unknown): string | undefined {
  for (const text of textsIn(value)) {
    const [found] = findSecrets(text);
    if (found === undefined) continue;
    const title = SECRET_KINDS.get(found.kind) ?? 'a secret';
    return found.publicId === undefined ? title : `${title}, ${found.publicId}`;
  }
  return undefined;
}

/** Every text in a value, each also behind the name that it is given. Without recursion: a value may be a tower. */
function* textsIn(value: unknown): Generator<string> {
  const rest: unknown[] = [value];
  while (rest.length > 0) {
    const next = rest.pop();
    if (typeof next === 'string') yield next;
    if (typeof next !== 'object' || next === null) continue;
    for (const [name, member] of Object.entries(next)) {
      if (Array.isArray(next)) rest.push(member);
      else if (typeof member === 'string')
        yield `${JSON.stringify(name)}: ${JSON.stringify(member)}\n${name}\n${member}`;
      else rest.push(name, member);
    }
  }
}
