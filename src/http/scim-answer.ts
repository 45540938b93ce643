import { SCIM_TYPE } from '../wire/scim.js';
import type { Reply } from './endpoint.js';

const LIST_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:ListResponse';

/** What a list holds, and which part of it this is. RFC 7644 section 3.4.2. */
export interface ScimList {
  readonly total: number;
  /** The place of the first one, from 1. */
  readonly startIndex: number;
  readonly resources: readonly unknown[];
}

/** Answers with a resource, as `application/scim+json`. RFC 7644 section 3.1. */
export function scimReply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { 'content-type': SCIM_TYPE, ...headers }, body };
}

/** Answers with a list. */
export function scimListReply({ total, startIndex, resources }: ScimList): Reply {
  return scimReply(200, {
    schemas: [LIST_SCHEMA],
    totalResults: total,
    startIndex,
    itemsPerPage: resources.length,
    Resources: resources,
  });
}
