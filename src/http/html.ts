/** Text that is HTML already. Everything else is escaped where it is put into a page. */
export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

type Part = string | number | Html | undefined | readonly Part[];

/** Builds HTML from a template. Each value is escaped unless it is {@link Html}; lists are joined, `undefined` is
 *  nothing. Put attribute values between double quotes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, at) => text + markupOf(parts[at])).join(''));
}

function markupOf(part: Part): string {
  if (part === undefined) return '';
  if (part instanceof Html) return part.markup;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map(markupOf).join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** A line of text, with what stands between backticks as code and between `**` as strong. */
export function inline(text: string): Html {
  const parts = text.split('`');
  const lastIsOpen = parts.length % 2 === 0;
  return html`${parts.map((part, at) => {
    if (at % 2 === 0) return strong(part);
    return lastIsOpen && at === parts.length - 1 ? strong(`\`${part}`) : html`<code>${part}</code>`;
  })}`;
}

function strong(text: string): Html {
  return html`${text.split(/\*\*(\S[^*]*)\*\*/).map((part, at) => (at % 2 === 0 ? part : html`<strong>${part}</strong>`))}`;
}

/** Paragraphs of text, as {@link inline}, apart by empty lines. */
export function paragraphs(text: string): Html {
  return html`${text.split(/\n{2,}/).map((one) => html`<p>${inline(one)}</p>`)}`;
}
