export type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

/** Reads the part of YAML that the recipes are written in: maps and lists in block form, plain and quoted scalars,
 *  literal (`|`) and folded (`>-`) texts, and the empty map. Every scalar is a string. Throws at whatever else it meets, so that a recipe is
 *  never read as something that it is not. */
export function readYaml(text: string): Yaml {
  const lines = text.split('\n').map((line, index) => {
    if (/^\s*\t/.test(line)) throw new Error(`line ${index + 1}: a tab as indentation`);
    return { indent: line.search(/\S|$/), text: line.trim(), number: index + 1, raw: line };
  });
  let at = 0;

  function peek(): Line | undefined {
    while (at < lines.length && /^(#|$)/.test(lines[at]?.text ?? '')) at += 1;
    return lines[at];
  }

  function block(least: number): Yaml {
    const first = peek();
    if (first === undefined || first.indent < least) return null;
    return /^-( |$)/.test(first.text) ? list(first.indent) : map(first.indent);
  }

  function list(indent: number): Yaml[] {
    const items: Yaml[] = [];
    for (let line = peek(); line?.indent === indent && /^-( |$)/.test(line.text); line = peek()) {
      const rest = line.text.slice(1).trim();
      const inner = indent + line.text.length - line.text.slice(1).trimStart().length;
      // A map that begins on the line of its dash stands where its first key stands.
      const isMap = rest !== '' && !/^["'|>]/.test(rest) && keyOf(rest) !== undefined;
      if (isMap) lines[at] = { ...line, indent: inner, text: rest, raw: '' };
      else at += 1;
      items.push(isMap ? map(inner) : value(rest, indent, line));
    }
    return items;
  }

  function map(indent: number): Yaml {
    const entries: Record<string, Yaml> = {};
    for (let line = peek(); line !== undefined && line.indent >= indent; line = peek()) {
      const found = keyOf(line.text);
      if (line.indent !== indent || found === undefined)
        throw new Error(`line ${line.number}: not an entry of the map`);
      const [key, rest] = found;
      if (Object.hasOwn(entries, key)) throw new Error(`line ${line.number}: ${key} is there twice`);
      at += 1;
      entries[key] = value(rest, indent, line);
    }
    return entries;
  }

  function value(rest: string, indent: number, line: Line): Yaml {
    if (rest === '' || rest.startsWith('#')) {
      const next = peek();
      const isListBelow = next?.indent === indent && next.text.startsWith('- ') && !line.text.startsWith('-');
      return isListBelow ? list(indent) : block(indent + 1);
    }
    if (rest === '{}') return {};
    if (rest === '|') return literal(indent);
    if (rest === '>-') return literal(indent).trim().replace(/\n/g, ' ');
    return scalar(rest, line);
  }

  function literal(indent: number): string {
    const taken: string[] = [];
    const inner = lines[at]?.indent ?? 0;
    if (inner <= indent) throw new Error(`line ${at}: an empty text`);
    while (at < lines.length && (lines[at]?.text === '' || (lines[at]?.indent ?? 0) >= inner)) {
      taken.push((lines[at]?.raw ?? '').slice(inner));
      at += 1;
    }
    return `${taken.join('\n').replace(/\n+$/, '')}\n`;
  }

  const whole = block(0);
  const left = peek();
  if (left !== undefined) throw new Error(`line ${left.number}: not understood`);
  return whole;
}

/** A member of what was read, by its path; a number is a place in a list. Throws when there is none. */
export function member(yaml: Yaml, ...path: readonly (string | number)[]): Yaml {
  let found: Yaml | undefined = yaml;
  for (const step of path) {
    if (found === null || found === undefined || typeof found === 'string') found = undefined;
    else found = (found as Readonly<Record<string | number, Yaml>>)[step];
    if (found === undefined) throw new Error(`there is no ${path.join('.')}`);
  }
  return found ?? null;
}

/** As {@link member}, for a text. */
export function text(yaml: Yaml, ...path: readonly (string | number)[]): string {
  const found = member(yaml, ...path);
  if (typeof found !== 'string') throw new Error(`${path.join('.')} is not a text`);
  return found;
}

/** As {@link member}, for a map of texts, an absent value being the empty one. Gives its entries in their order. */
export function texts(yaml: Yaml, ...path: readonly (string | number)[]): [string, string][] {
  return Object.entries(member(yaml, ...path) ?? {}).map(([key, value]) => [key, value === null ? '' : text(value)]);
}

function keyOf(line: string): [key: string, rest: string] | undefined {
  const [, key, rest = ''] = /^([^"'[\]{}&*!|>%@`#\s].*?):(?: +(.*))?$/.exec(line) ?? [];
  return key === undefined ? undefined : [key, rest];
}

function scalar(rest: string, line: Line): string {
  if (/^"([^"\\]|\\.)*"$/.test(rest)) return JSON.parse(rest);
  if (/^'[^'\\]*'$/.test(rest)) return rest.slice(1, -1);
  const plain = rest.replace(/ +#.*$/, '');
  if (/^["'[\]{}&*!|>%@`#]/.test(plain) || plain.includes(': ')) throw new Error(`line ${line.number}: not understood`);
  return plain;
}
