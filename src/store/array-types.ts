/** The arrays that statements by hand take and give. postgres.js would ask each new connection for them, and when that
 *  connection ends at once the whole process would. The numbers are PostgreSQL's own and never change. */
export const ARRAY_TYPES = {
  uuids: arrayOf(2951),
  texts: arrayOf(1009),
};

function arrayOf(oid: number) {
  return { to: oid, from: [oid], serialize: printArray, parse: parseArray };
}

/** PostgreSQL's text form of an array, such as `{"a","b"}`. */
export function printArray(items: readonly string[] | string): string {
  // What drizzle hands over is printed already.
  if (typeof items === 'string') return items;
  return `{${items.map((item) => `"${item.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

/** Reads the text form of an array of one dimension without nulls. */
export function parseArray(text: string): string[] {
  if (!text.includes('"')) return text === '{}' ? [] : text.slice(1, -1).split(',');
  const items = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gs);
  return [...items].map(([, quoted, plain]) => plain ?? quoted?.replaceAll(/\\(.)/gs, '$1') ?? '');
}
