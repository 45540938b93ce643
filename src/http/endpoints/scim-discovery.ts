import { accept, type Result, refuse } from '../../rules/refusal.js';
import { foldCase } from '../../rules/scim-user.js';
import {
  listScimResourceTypesOperation,
  listScimSchemasOperation,
  scimConfigOperation,
  showScimResourceTypeOperation,
  showScimSchemaOperation,
} from '../../wire/scim.js';
import { endpoint, type Reply, type Route } from '../endpoint.js';
import { scimListReply, scimReply } from '../scim-answer.js';
import { scimBase } from '../scim-present.js';
import { type ScimDescription, scimConfig, scimResourceTypes, scimSchemas } from '../scim-schemas.js';

// RFC 7644 section 4: a filter is refused here, so that nobody takes the answer for filtered.
const NO_FILTER = refuse({ kind: 'not_allowed', detail: 'this endpoint takes no filter' });

export const scimConfigRoute = endpoint(scimConfigOperation, async ({ issuer }, { query }) => {
  if (query.filter !== undefined) return NO_FILTER;
  return accept(scimReply(200, await scimConfig(scimBase(issuer), `${issuer}/docs`)));
});

export const listScimResourceTypesRoute = endpoint(listScimResourceTypesOperation, async ({ issuer }, { query }) =>
  query.filter === undefined ? listed(await scimResourceTypes(scimBase(issuer))) : NO_FILTER,
);

export const showScimResourceTypeRoute = endpoint(showScimResourceTypeOperation, async ({ issuer }, { params }) =>
  shown(await scimResourceTypes(scimBase(issuer)), params['id']),
);

export const listScimSchemasRoute = endpoint(listScimSchemasOperation, async ({ issuer }, { query }) =>
  query.filter === undefined ? listed(await scimSchemas(scimBase(issuer))) : NO_FILTER,
);

export const showScimSchemaRoute = endpoint(showScimSchemaOperation, async ({ issuer }, { params }) =>
  shown(await scimSchemas(scimBase(issuer)), params['id']),
);

const ME = 'the caller is a token, and there is no person of its own here';
const BULK = 'there are no bulk requests here';

/** What the standard has and this service does not. RFC 7644 sections 3.7 and 3.11. */
export const scimMissingRoutes: readonly Route[] = [
  ...missing('/scim/v2/Me', ['get', 'post', 'put', 'patch', 'delete'], ME),
  ...missing('/scim/v2/Bulk', ['post'], BULK),
];

function missing(path: string, methods: readonly Route['operation']['method'][], detail: string): Route[] {
  return methods.map((method) => ({
    operation: { method, path },
    handle: async () => refuse({ kind: 'not_implemented', detail }),
  }));
}

function listed(resources: readonly ScimDescription[]): Result<Reply> {
  return accept(scimListReply({ total: resources.length, startIndex: 1, resources }));
}

function shown(resources: readonly ScimDescription[], id: string | undefined): Result<Reply> {
  const one = resources.find((resource) => foldCase(resource.id) === foldCase(id ?? ''));
  return one === undefined ? refuse({ kind: 'not_found' }) : accept(scimReply(200, one));
}
