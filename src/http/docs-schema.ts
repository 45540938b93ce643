import type { JsonSchema } from '../wire/openapi-document.js';
import { type Html, html, inline, paragraphs } from './html.js';

type Schema = JsonSchema | boolean;

/** What is said of a member: in a request that it is required, in an answer that it is not always there. */
export type Mark = 'required' | 'optional';

/** The address of a component's description on the page. */
function schemaAnchor(name: string): string {
  return `schema-${encodeURIComponent(name)}`;
}

/** A table of the members of an object: name, type, limits, meaning. Nested objects follow their parent, a dot between
 *  the names; what has a name of its own is linked. Alternatives get a table each. */
export function schemaTable(schema: JsonSchema, mark: Mark): Html {
  const variants = schema.oneOf?.filter((one) => one.properties !== undefined) ?? [];
  if (variants.length > 0) {
    return html`${variants.map((one, at) => html`<h4>${at === 0 ? 'Either' : 'Or'}</h4>${schemaTable(one, mark)}`)}`;
  }
  const rows = memberRows(schema, '', mark);
  if (rows.length === 0) return html`<p>${typeName(schema)}</p>`;
  return fieldTable('Member', rows);
}

/** A table of named values, made of {@link fieldRow}s. */
export function fieldTable(heading: string, rows: readonly Html[]): Html {
  return html`<table class="fields"><thead><tr><th>${heading}</th><th>Type</th><th>Meaning</th></tr></thead><tbody>${rows}</tbody></table>`;
}

/** A row that describes one named value. */
export function fieldRow(name: string, schema: JsonSchema, mark?: Mark, description = schema.description): Html {
  const marked = mark === undefined ? undefined : html` <span class="mark ${mark}">${mark}</span>`;
  const limits = limitsOf(schema);
  const limitLine = limits.length === 0 ? undefined : html`<span class="limits">${inline(limits.join(' · '))}</span>`;
  const meaning = description === undefined ? undefined : inline(description);
  return html`<tr><td><code class="name">${name}</code>${marked}</td><td>${typeName(schema)}</td><td>${meaning}${limitLine}</td></tr>
`;
}

/** A component's whole description. */
export function schemaSection(name: string, schema: JsonSchema): Html {
  return html`<article id="${schemaAnchor(name)}"><h3>${name}</h3>${
    schema.description === undefined ? undefined : paragraphs(schema.description)
  }${schemaTable(schema, schema.additionalProperties === false ? 'required' : 'optional')}</article>`;
}

/** A type in a few words, with links to what has a name. */
export function typeName(schema: Schema): Html {
  if (typeof schema === 'boolean') return html`any`;
  const { $ref, type, items, format } = schema;
  const alternatives = schema.anyOf ?? schema.oneOf?.filter((one) => one.required === undefined || one.type);
  if ($ref !== undefined) return componentLink($ref);
  if (schema.const !== undefined) return html`<code>${JSON.stringify(schema.const)}</code>`;
  if (alternatives !== undefined && alternatives.length > 0) {
    return html`${alternatives.map((one, at) => html`${at === 0 ? '' : ' or '}${typeName(one)}`)}`;
  }
  if (type === 'array' && items !== undefined && !Array.isArray(items)) return html`list of ${typeName(items)}`;
  const plain = Array.isArray(type) ? type.join(' or ') : (type ?? 'any');
  return html`${plain}${format === undefined ? undefined : ` (${format})`}`;
}

function componentLink(ref: string): Html {
  const name = ref.slice(ref.lastIndexOf('/') + 1);
  return html`<a href="#${schemaAnchor(name)}">${name}</a>`;
}

function memberRows(schema: JsonSchema, prefix: string, mark: Mark): Html[] {
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).flatMap(([key, member]) => {
    if (typeof member === 'boolean') return [];
    const name = `${prefix}${key}`;
    const { items } = member;
    const inner = items === undefined || Array.isArray(items) || typeof items === 'boolean' ? undefined : items;
    return [
      fieldRow(name, member, required.includes(key) === (mark === 'required') ? mark : undefined),
      ...memberRows(member, `${name}.`, mark),
      ...(inner ? memberRows(inner, `${name}[].`, mark) : []),
    ];
  });
}

function limitsOf(schema: JsonSchema): string[] {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern, enum: values, items } = schema;
  const inner = items === undefined || Array.isArray(items) || typeof items === 'boolean' ? [] : limitsOf(items);
  return [
    ...(values ? [`one of ${values.map((value) => `\`${value}\``).join(' ')}`] : []),
    ...range(minimum, maximum, ''),
    ...range(minLength, maxLength, ' characters'),
    ...range(minItems, maxItems, ' entries'),
    ...(pattern === undefined ? [] : [`matches \`${pattern}\``]),
    ...(schema.default === undefined ? [] : [`default \`${JSON.stringify(schema.default)}\``]),
    ...inner.map((limit) => `each ${limit}`),
  ];
}

function range(least: number | undefined, most: number | undefined, unit: string): string[] {
  if (least !== undefined && most !== undefined) return [`${least} to ${most}${unit}`];
  if (most !== undefined) return [`at most ${most}${unit}`];
  return least === undefined ? [] : [`at least ${least}${unit}`];
}
