import type { JsonSchema, OpenApiDocument, OperationObject } from '../wire/openapi-document.js';

/** How to call an operation with curl. Secrets go in on standard input, since the process list shows a command's
 *  arguments to everyone on the machine. */
export function curlExample(document: OpenApiDocument, method: string, path: string, it: OperationObject): string {
  const body = bodyOf(document, it);
  const secrets = [...credentials(it), ...(body?.type === 'form' ? ['data = "token=$TOKEN"'] : [])];
  const isMethodImplied = method === 'get' || (method === 'post' && body !== undefined);
  const options = [
    ...(answersWithStream(it) ? ['-N'] : []),
    ...(secrets.length === 0 ? [] : ['-K -']),
    ...(isMethodImplied ? [] : [`-X ${method.toUpperCase()}`]),
    url(document, path),
  ];
  const lines = [`curl ${options.join(' ')}`];
  if (body?.type === 'json') {
    lines.push(`  -H 'Content-Type: application/json'`, `  -d ${singleQuoted(printJson(body.example))}`);
  }
  const command = lines.join(' \\\n');
  return secrets.length === 0 ? command : `${command} <<END\n${secrets.join('\n')}\nEND`;
}

/** A proof is good once and signed by a program: it is shown where it goes. */
function credentials({ security }: OperationObject): string[] {
  if (security.some((way) => 'proof' in way)) return ['header = "DPoP: $PROOF"'];
  return security.length === 0 ? [] : ['header = "Authorization: Bearer $COUNTERSIGN_TOKEN"'];
}

type Body = { readonly type: 'form' } | { readonly type: 'json'; readonly example: unknown };

function bodyOf(document: OpenApiDocument, it: OperationObject): Body | undefined {
  const json = it.requestBody?.content['application/json'];
  if (json) return { type: 'json', example: resolveSchema(document, json.schema).examples?.[0] ?? {} };
  return it.requestBody ? { type: 'form' } : undefined;
}

function answersWithStream(it: OperationObject): boolean {
  const answer = it.responses['200'];
  return answer !== undefined && 'content' in answer && answer.content?.['text/event-stream'] !== undefined;
}

/** What a schema is when its reference is followed. */
export function resolveSchema(document: OpenApiDocument, schema: JsonSchema): JsonSchema {
  const name = schema.$ref?.slice(schema.$ref.lastIndexOf('/') + 1);
  return (name === undefined ? undefined : document.components.schemas[name]) ?? schema;
}

/** JSON to be read by people: members on lines of their own, lists of plain values on one. */
export function printJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replaceAll(/\[[^[\]{}]*\]/g, (list) => list.replaceAll(/\s*\n\s*/g, ' '));
}

function url(document: OpenApiDocument, path: string): string {
  const base = (document.servers[0]?.url ?? '').replaceAll(/[\\"$`]/g, '\\$&');
  return `"${base}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => `$${name.toUpperCase()}`)}"`;
}

function singleQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
