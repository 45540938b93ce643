import type { z } from 'zod';
import type { MediaType, OperationObject, ParameterObject, ResponseObject } from './openapi-document.js';
import { headerReferences, refusalReference, refusalStatuses } from './openapi-refusals.js';
import type { SchemaCollection } from './openapi-schemas.js';
import type { Answer, Operation } from './operation.js';
import { problemKinds, problemSlug } from './problems.js';

/** Describes one operation as OpenAPI does; its schemas join the collection. */
export function operationObject(it: Operation, schemas: SchemaCollection): OperationObject {
  const parameters = [...pathParameters(it), ...queryParameters(it, schemas), ...headerParameters(it)];
  const description = [it.description, scopeNote(it)].filter((text) => text !== undefined).join('\n\n');
  return {
    operationId: it.id,
    tags: [it.tag],
    summary: it.summary,
    ...(description === '' ? {} : { description }),
    security: security(it),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(it.body ? { requestBody: requestBody(it, it.body, schemas) } : {}),
    responses: Object.fromEntries([
      ...Object.entries(it.answers).map(([status, answer]) => [status, response(answer, schemas)]),
      ...refusalStatuses(it).map((status) => [String(status), refusalReference(it, status)]),
    ]),
  };
}

function scopeNote(it: Operation): string | undefined {
  if (it.scope === undefined) return undefined;
  const self =
    it.isOpenToSelf === 'runner' ? ', unless a runner’s token names itself' : ', unless the caller names itself';
  return `Needs the scope \`${it.scope}\`${it.isOpenToSelf ? self : ''}.`;
}

function security(it: Operation): OperationObject['security'] {
  switch (it.auth) {
    case 'none':
      return [];
    case 'caller':
      return [{ bearer: [] }, { basic: [] }];
    case 'proof':
      return [{ proof: [] }];
    case 'bearer':
    case 'token':
      return [{ bearer: it.scope ? [it.scope] : [] }, ...(it.takesBasic ? [{ basic: [] }] : [])];
  }
}

/** What stands for each `{name}` of a path, by what comes before it. */
const PATH_PARAMETERS: Readonly<Record<string, { readonly pattern: string; readonly description: string }>> = {
  '/v1/tokens/{id}': {
    pattern: '^(tok_[0-9A-Za-z]{22}|self)$',
    description: 'The token’s public id, or `self` for the calling token.',
  },
  '/v1/members/{id}': { pattern: '^mem_[0-9A-Za-z]{22}$', description: 'The member’s id.' },
  '/v1/sessions/{id}': { pattern: '^ses_[0-9A-Za-z]{22}$', description: 'The id of the session.' },
  '/v1/runners/{id}': {
    pattern: '^(rnr_[0-9A-Za-z]{22}|self)$',
    description: 'The runner’s id, or `self` for the calling runner.',
  },
  '/v1/runner-enrolments/{id}': { pattern: '^enr_[0-9A-Za-z]{22}$', description: 'The id of the enrolment.' },
  '/v1/exec/checks/{id}': { pattern: '^chk_[0-9A-Za-z]{22}$', description: 'The id of the check.' },
  '/v1/exec/runs/{id}': { pattern: '^run_[0-9A-Za-z]{22}$', description: 'The id of the run.' },
  '/v1/incidents/{id}': { pattern: '^inc_[0-9A-Za-z]{22}$', description: 'The id of the incident.' },
  '/v1/passkeys/{id}': { pattern: '^pky_[0-9A-Za-z]{22}$', description: 'The id of the passkey.' },
  '/v1/step-ups/{id}': { pattern: '^stp_[0-9A-Za-z]{22}$', description: 'The id of the step-up.' },
  '/v1/mail-deliveries/{id}': { pattern: '^dlv_[0-9A-Za-z]{22}$', description: 'The id of the mail.' },
  '/v1/webhooks/{id}': { pattern: '^whk_[0-9A-Za-z]{22}$', description: 'The id of the webhook.' },
  '/v1/webhooks/{id}/deliveries/{delivery_id}': {
    pattern: '^dlv_[0-9A-Za-z]{22}$',
    description: 'The id of the delivery.',
  },
  '/v1/workflows/{label}': {
    pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$',
    description: 'The workflow’s label: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit at both ends.',
  },
  '/v1/trust-rules/{name}': {
    pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$',
    description: 'The rule’s name: 1 to 64 of `a-z 0-9 . _ -`, a letter or digit at both ends.',
  },
  '/scim/v2/Users/{id}': { pattern: '^mem_[0-9A-Za-z]{22}$', description: 'The member’s id.' },
  '/scim/v2/ResourceTypes/{id}': { pattern: '^User$', description: 'The name of the kind.' },
  '/scim/v2/Schemas/{id}': { pattern: '^urn:[A-Za-z0-9:._-]+$', description: 'The URN of the schema.' },
  '/problems/{kind}': {
    pattern: `^(${problemKinds().map(problemSlug).join('|')})$`,
    description: 'The last part of a problem’s `type`.',
  },
};

function pathParameters(it: Operation): ParameterObject[] {
  return [...it.path.matchAll(/\{(\w+)\}/g)].map(({ 0: braced, 1: name = '', index }) => {
    const known = PATH_PARAMETERS[it.path.slice(0, index + braced.length)];
    if (known === undefined) throw new Error(`${it.path} has a parameter that is not described`);
    const { pattern, description } = known;
    return { name, in: 'path', required: true, description, schema: { type: 'string', pattern } };
  });
}

function queryParameters(it: Operation, schemas: SchemaCollection): ParameterObject[] {
  if (it.query === undefined) return [];
  const { properties = {}, required = [] } = schemas.add(it.query, 'input');
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...schema } = typeof property === 'boolean' ? {} : property;
    return {
      name,
      in: 'query',
      required: required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema,
    };
  });
}

function headerParameters(it: Operation): ParameterObject[] {
  return (it.headers ?? []).map(({ name, description }) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' },
  }));
}

function requestBody(it: Operation, body: z.ZodType, schemas: SchemaCollection) {
  const schema = schemas.add(body, 'input');
  return { required: it.isBodyOptional !== true, content: { [it.bodyType ?? 'application/json']: { schema } } };
}

function response(answer: Answer, schemas: SchemaCollection): ResponseObject {
  const content = answerContent(answer, schemas);
  return {
    description: answer.description,
    headers: headerReferences(['X-Request-Id', ...(answer.headers ?? [])]),
    ...(content ? { content } : {}),
  };
}

function answerContent(answer: Answer, schemas: SchemaCollection): Record<string, MediaType> | undefined {
  const { schema, contentType, alsoAs, example } = answer;
  if (schema === undefined && contentType === undefined) return undefined;
  const main: MediaType = {
    schema: schema ? schemas.add(schema, 'output') : { type: 'string' },
    ...(example === undefined ? {} : { example }),
  };
  return {
    [contentType ?? 'application/json']: main,
    ...(alsoAs === undefined ? {} : { [alsoAs]: { schema: { type: 'string' } } }),
  };
}
