import type {
  OpenApiDocument,
  OperationObject,
  ParameterObject,
  Reference,
  ResponseObject,
} from '../wire/openapi-document.js';
import { curlExample, printJson, resolveSchema } from './docs-curl.js';
import { fieldRow, fieldTable, schemaSection, schemaTable, typeName } from './docs-schema.js';
import { type Html, html, inline, paragraphs } from './html.js';
import { type Page, page } from './page.js';

interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly it: OperationObject;
}

/** The `/docs` page: the whole document for people, as one page that loads nothing and runs nothing. */
export function docsPage(document: OpenApiDocument): Page {
  const groups = document.tags.map((tag) => ({
    ...tag,
    endpoints: endpointsOf(document).filter(({ it }) => it.tags.includes(tag.name)),
  }));
  const body = html`<div class="shell split">
<nav aria-label="Contents"><ul class="plain">
<li><a class="group" href="#top">Calling</a></li>
${groups.map(
  ({ name, endpoints }) => html`<li><a class="group" href="#${tagAnchor(name)}">${name}</a>
<ul class="plain">${endpoints.map(({ it }) => html`<li><a href="#${operationAnchor(it)}">${inline(it.summary)}</a></li>`)}</ul></li>
`,
)}<li><a class="group" href="#refusals">Refusals</a></li>
<li><a class="group" href="#messages">Messages</a></li>
</ul></nav>
<main id="top">
<header><h1>${document.info.title}</h1>
<p class="soft">${document.info.summary} · ${document.info.version} · <a href="/openapi.json">openapi.json</a></p></header>
${paragraphs(document.info.description)}
${groups.map(
  ({ name, description, endpoints }) => html`<section id="${tagAnchor(name)}"><h2>${name}</h2>
<p>${inline(description)}</p>
<ul class="plain index">${endpoints.map(indexEntry)}</ul>
${endpoints.map((endpoint) => operationSection(document, endpoint))}</section>
`,
)}<section id="refusals"><h2>Refusals</h2>${Object.entries(document.components.responses).map(refusalSection)}</section>
<section id="messages"><h2>Messages</h2>${Object.entries(document.components.schemas).map(([name, schema]) => schemaSection(name, schema))}</section>
</main></div>`;
  return page(`${document.info.title} ${document.info.version}`, body);
}

function endpointsOf(document: OpenApiDocument): Endpoint[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, it]) => ({ method, path, it })),
  );
}

function operationSection(document: OpenApiDocument, { method, path, it }: Endpoint): Html {
  return html`<article id="${operationAnchor(it)}"><h3>${inline(it.summary)}</h3>
${callLine({ method, path, it })}
${it.description === undefined ? undefined : paragraphs(it.description)}
${parameterTable(it.parameters ?? [])}${bodySection(document, it)}
<h4>Answers</h4>${answerTable(it)}
<h4>Example</h4><pre tabindex="0"><code>${curlExample(document, method, path, it)}</code></pre>
${exampleAnswers(it)}</article>
`;
}

function callLine({ method, path, it }: Endpoint): Html {
  return html`<p class="call"><span class="method" data-method="${method.toUpperCase()}">${method.toUpperCase()}</span> <span class="path">${path}</span> <span class="soft">${access(it)}</span></p>`;
}

function indexEntry({ method, path, it }: Endpoint): Html {
  const verb = method.toUpperCase();
  return html`<li><a href="#${operationAnchor(it)}"><span class="method" data-method="${verb}">${verb}</span> <span class="path">${path}</span> <span class="soft">${inline(it.summary)}</span></a></li>`;
}

function access(it: OperationObject): Html {
  if (it.security.length === 0) return html`public`;
  const ways = it.security.flatMap((way) => Object.entries(way));
  return html`${ways.map(([name, scopes], at) => html`${at === 0 ? '' : ' or '}${[name, ...scopes].join(', ')}`)}`;
}

function parameterTable(parameters: readonly ParameterObject[]): Html | undefined {
  if (parameters.length === 0) return undefined;
  const rows = parameters.map((one) =>
    fieldRow(
      one.name,
      one.schema,
      one.required ? 'required' : undefined,
      `${one.in === 'query' ? '' : `In the ${one.in}. `}${one.description ?? ''}`,
    ),
  );
  return html`<h4>Parameters</h4>${fieldTable('Name', rows)}`;
}

function bodySection(document: OpenApiDocument, it: OperationObject): Html | undefined {
  if (it.requestBody === undefined) return undefined;
  const bodies = Object.entries(it.requestBody.content).map(([type, { schema }]) => {
    const resolved = resolveSchema(document, schema);
    const note = resolved.description === undefined ? undefined : paragraphs(resolved.description);
    return html`<h4>Body, ${it.requestBody?.required ? '' : 'optional, '}${type}</h4>${note}${schemaTable(resolved, 'required')}`;
  });
  return html`${bodies}`;
}

function answerTable(it: OperationObject): Html {
  const answers = Object.entries(it.responses);
  const own = answers.flatMap(([status, one]) => ('$ref' in one ? [] : [answerRow(status, one)]));
  const refusals = answers.flatMap(([status, one]) => ('$ref' in one ? [refusalLink(status, one)] : []));
  return html`<table class="answers"><thead><tr><th>Status</th><th>Meaning</th><th>Content</th></tr></thead><tbody>${own}</tbody></table>
<p class="soft">Refused with ${refusals.map((link, at) => html`${at === 0 ? '' : ', '}${link}`)}.</p>`;
}

function answerRow(status: string, answer: ResponseObject): Html {
  const contents = Object.entries(answer.content ?? {});
  const headers = Object.keys(answer.headers ?? {}).filter((name) => name !== 'X-Request-Id');
  return html`<tr><td><code>${status}</code></td><td>${inline(answer.description)}${
    headers.length === 0
      ? undefined
      : html`<span class="limits">with ${inline(headers.map((one) => `\`${one}\``).join(' '))}</span>`
  }</td><td>${
    contents.length === 0
      ? 'nothing'
      : contents.map(([type, { schema }]) => html`<div>${typeName(schema)} <span class="limits">${type}</span></div>`)
  }</td></tr>`;
}

function exampleAnswers(it: OperationObject): Html[] {
  return Object.entries(it.responses).flatMap(([status, one]) => {
    if ('$ref' in one) return [];
    const examples = Object.values(one.content ?? {}).flatMap(({ example }) =>
      example === undefined ? [] : [example],
    );
    return examples.map((example) => html`<h4>Example of a ${status}</h4>${sample(example)}`);
  });
}

function sample(example: unknown): Html {
  return html`<pre tabindex="0"><code>${typeof example === 'string' ? example : printJson(example)}</code></pre>`;
}

function refusalLink(status: string, { $ref }: Reference): Html {
  return html`<a href="#${refusalAnchor($ref.slice($ref.lastIndexOf('/') + 1))}">${status}</a>`;
}

function refusalSection([name, answer]: readonly [string, ResponseObject]): Html {
  const contents = Object.entries(answer.content ?? {});
  return html`<article id="${refusalAnchor(name)}"><h3>${name}</h3>${paragraphs(answer.description)}${contents.map(
    ([type, { schema, example }]) =>
      html`<h4>${typeName(schema)}, ${type}</h4>${example === undefined ? undefined : sample(example)}`,
  )}</article>`;
}

function tagAnchor(name: string): string {
  return `tag-${encodeURIComponent(name)}`;
}

function operationAnchor(it: OperationObject): string {
  return `operation-${encodeURIComponent(it.operationId)}`;
}

function refusalAnchor(name: string): string {
  return `refusal-${encodeURIComponent(name)}`;
}
