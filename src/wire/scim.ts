import { z } from 'zod';
import { role } from './answers.js';
import { email } from './members.js';
import { operation } from './operation.js';
import { line } from './primitives.js';

/** The media type of SCIM. RFC 7644 section 8.1. */
export const SCIM_TYPE = 'application/scim+json';

/** The most that one page of a list has. */
export const MAX_SCIM_RESULTS = 200;

const MAX_PARAMETER = 8_192;

/** What a provider says of a person, once its attributes were read. */
export const scimPerson = z.object({
  userName: email.optional(),
  externalId: line(255).min(1, 'must not be empty').nullable().optional(),
  displayName: line(100).nullable().optional(),
  active: z.boolean().optional(),
  role: role.optional(),
});

/** The same of one who is not known yet. */
export const newScimPerson = scimPerson.required({ userName: true });

const whole = z
  .string()
  .regex(/^-?\d{1,9}$/, 'must be a whole number')
  .transform(Number)
  .optional()
  .meta({ override: { type: 'integer' } });

const attributes = z
  .string()
  .max(MAX_PARAMETER)
  .optional()
  .describe('Attributes to answer with, and no others, separated by commas.');
const excludedAttributes = z
  .string()
  .max(MAX_PARAMETER)
  .optional()
  .describe('Attributes to leave out, separated by commas.');
// A parameter that is not known is left aside: providers have some of their own.
const chosen = z.object({ attributes, excludedAttributes });

const sorting = {
  sortBy: z.string().max(256).optional(),
  sortOrder: z.enum(['ascending', 'descending']).optional(),
};

const scimListQuery = z.object({
  filter: z.string().max(MAX_PARAMETER).optional().describe('RFC 7644 section 3.4.2.2.'),
  ...sorting,
  startIndex: whole.describe('The place of the first one, from 1.'),
  count: whole.describe(`How many, ${MAX_SCIM_RESULTS} at most.`),
  attributes,
  excludedAttributes,
});

const names = z.array(z.string().max(256)).max(64).optional();

/** RFC 7644 section 3.4.3. */
const scimSearch = z
  .object({
    schemas: z.array(z.string()).optional(),
    filter: z.string().max(MAX_PARAMETER).optional(),
    ...sorting,
    startIndex: z.int().optional(),
    count: z.int().optional(),
    attributes: names,
    excludedAttributes: names,
  })
  .meta({
    id: 'ScimSearchRequest',
    examples: [
      {
        schemas: ['urn:ietf:params:scim:api:messages:2.0:SearchRequest'],
        filter: 'userName eq "ada@example.com"',
        count: 10,
      },
    ],
  });

/** A person, as it is sent. What it may hold is read by `rules/scim-draft`. */
const userBody = z.looseObject({}).meta({
  id: 'ScimUserRequest',
  description:
    'RFC 7643 section 4.1. `userName` is the e-mail address. `externalId`, `displayName` or `name`, `active`, `emails` and `roles` (one of `owner`, `admin`, `member`, `auditor`) are kept; other attributes are left aside.',
  examples: [
    {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'ada@example.com',
      externalId: '00u1a2b3c4',
      displayName: 'Ada',
      active: true,
    },
  ],
});

const patchBody = z.looseObject({}).meta({
  id: 'ScimPatchRequest',
  description: 'RFC 7644 section 3.5.2. All of it is done or nothing.',
  examples: [
    {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [{ op: 'replace', value: { active: false } }],
    },
  ],
});

const user = z
  .looseObject({
    schemas: z.array(z.string()),
    id: z.string(),
    externalId: z.string().optional(),
    userName: z.string().optional(),
    name: z.object({ formatted: z.string() }).optional(),
    displayName: z.string().optional(),
    active: z.boolean().optional(),
    emails: z.array(z.object({ value: z.string(), type: z.string(), primary: z.boolean() })).optional(),
    roles: z.array(z.object({ value: z.string(), primary: z.boolean() })).optional(),
    meta: z.object({ resourceType: z.string(), created: z.string(), location: z.string() }).optional(),
  })
  .meta({ id: 'ScimUser', description: 'RFC 7643 section 4.1.' });

const listOf = (id: string, one: z.ZodType) =>
  z
    .object({
      schemas: z.array(z.string()),
      totalResults: z.int(),
      startIndex: z.int(),
      itemsPerPage: z.int(),
      Resources: z.array(one),
    })
    .meta({ id, description: 'RFC 7644 section 3.4.2.' });

const userList = listOf('ScimUserList', user);
const anyList = listOf('ScimList', z.looseObject({}));
const described = z.looseObject({ schemas: z.array(z.string()).optional() }).meta({ id: 'ScimDescription' });

/** RFC 7644 section 3.12. */
export const scimError = z
  .object({
    schemas: z.array(z.string()),
    status: z.string().describe('The status, as a text.'),
    scimType: z.string().optional(),
    detail: z.string().optional(),
  })
  .meta({ id: 'ScimError' });

const tag = 'SCIM';
const answer = (description: string, schema: z.ZodType) => ({ description, schema, contentType: SCIM_TYPE });

export const listScimUsersOperation = operation({
  id: 'listScimUsers',
  method: 'get',
  path: '/scim/v2/Users',
  tag,
  summary: 'Find people, oldest first',
  auth: 'bearer',
  scope: 'members:read',
  query: scimListQuery,
  answers: { 200: answer('A page of people', userList) },
  refusals: [400],
});

export const searchScimUsersOperation = operation({
  id: 'searchScimUsers',
  method: 'post',
  path: '/scim/v2/Users/.search',
  tag,
  summary: 'Find people, with the question in the body',
  auth: 'bearer',
  scope: 'members:read',
  body: scimSearch,
  bodyType: SCIM_TYPE,
  answers: { 200: answer('A page of people', userList) },
  refusals: [415],
});

export const createScimUserOperation = operation({
  id: 'createScimUser',
  method: 'post',
  path: '/scim/v2/Users',
  tag,
  summary: 'Bring a person in, who is active at once',
  auth: 'bearer',
  scope: 'members:write',
  query: chosen,
  body: userBody,
  bodyType: SCIM_TYPE,
  answers: { 201: { ...answer('The person', user), headers: ['Location'] } },
  refusals: [409, 415],
});

export const showScimUserOperation = operation({
  id: 'showScimUser',
  method: 'get',
  path: '/scim/v2/Users/{id}',
  tag,
  summary: 'Show a person',
  auth: 'bearer',
  scope: 'members:read',
  query: chosen,
  answers: { 200: answer('The person', user) },
  refusals: [400],
});

export const replaceScimUserOperation = operation({
  id: 'replaceScimUser',
  method: 'put',
  path: '/scim/v2/Users/{id}',
  tag,
  summary: 'Put what a provider says in the place of what it said',
  auth: 'bearer',
  scope: 'members:write',
  query: chosen,
  body: userBody,
  bodyType: SCIM_TYPE,
  answers: { 200: answer('The person', user) },
  refusals: [409, 415],
});

export const patchScimUserOperation = operation({
  id: 'patchScimUser',
  method: 'patch',
  path: '/scim/v2/Users/{id}',
  tag,
  summary: 'Change a person: with `active` false, sessions and tokens end at once',
  auth: 'bearer',
  scope: 'members:write',
  query: chosen,
  body: patchBody,
  bodyType: SCIM_TYPE,
  answers: { 200: answer('The person', user) },
  refusals: [409, 415],
});

export const removeScimUserOperation = operation({
  id: 'removeScimUser',
  method: 'delete',
  path: '/scim/v2/Users/{id}',
  tag,
  summary: 'Remove a person and revoke all tokens made by this person',
  auth: 'bearer',
  scope: 'members:write',
  answers: { 204: { description: 'Removed' } },
  refusals: [409],
});

export const listScimGroupsOperation = operation({
  id: 'listScimGroups',
  method: 'get',
  path: '/scim/v2/Groups',
  tag,
  summary: 'There are no groups: the answer is an empty list',
  auth: 'bearer',
  scope: 'members:read',
  query: scimListQuery,
  answers: { 200: answer('An empty list', anyList) },
  refusals: [400],
});

export const scimConfigOperation = operation({
  id: 'scimConfig',
  method: 'get',
  path: '/scim/v2/ServiceProviderConfig',
  tag,
  summary: 'What of SCIM there is',
  auth: 'none',
  query: z.object({ filter: z.string().optional() }),
  answers: { 200: answer('The configuration', described) },
  refusals: [403],
});

export const listScimResourceTypesOperation = operation({
  id: 'listScimResourceTypes',
  method: 'get',
  path: '/scim/v2/ResourceTypes',
  tag,
  summary: 'Which kinds of things there are',
  auth: 'none',
  query: z.object({ filter: z.string().optional() }),
  answers: { 200: answer('All of them', anyList) },
  refusals: [403],
});

export const showScimResourceTypeOperation = operation({
  id: 'showScimResourceType',
  method: 'get',
  path: '/scim/v2/ResourceTypes/{id}',
  tag,
  summary: 'Describe a kind of thing',
  auth: 'none',
  answers: { 200: answer('The kind', described) },
  refusals: [],
});

export const listScimSchemasOperation = operation({
  id: 'listScimSchemas',
  method: 'get',
  path: '/scim/v2/Schemas',
  tag,
  summary: 'Which attributes there are',
  auth: 'none',
  query: z.object({ filter: z.string().optional() }),
  answers: { 200: answer('All schemas', anyList) },
  refusals: [403],
});

export const showScimSchemaOperation = operation({
  id: 'showScimSchema',
  method: 'get',
  path: '/scim/v2/Schemas/{id}',
  tag,
  summary: 'Show a schema',
  auth: 'none',
  answers: { 200: answer('The schema', described) },
  refusals: [],
});
