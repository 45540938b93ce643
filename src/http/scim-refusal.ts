import { PROBLEMS } from '../wire/problems.js';
import { SCIM_TYPE } from '../wire/scim.js';
import type { Answer } from './exchange.js';
import { scrub } from './log.js';
import type { Refused } from './refuse.js';

const ERROR_SCHEMA = 'urn:ietf:params:scim:api:messages:2.0:Error';
const MAX_FAULTS = 10;

/** Answers a refusal as SCIM does: the status as a text, and what is wrong where the standard has a word for it. RFC 7644
 *  section 3.12. */
export function scimRefusal(refused: Refused): Answer {
  // What cannot be read, or is not allowed in it, is a 400 there, where this service has 422 otherwise.
  const status = refused.kind === 'invalid' ? 400 : PROBLEMS[refused.kind].status;
  const scimType = scimTypeOf(refused);
  const body = {
    schemas: [ERROR_SCHEMA],
    status: String(status),
    ...(scimType === undefined ? {} : { scimType }),
    detail: detailOf(refused),
  };
  // A detail may repeat the caller's own words: a token that was misplaced there goes no further.
  return { status, headers: { 'content-type': SCIM_TYPE, ...refused.headers }, body: scrub(JSON.stringify(body)) };
}

function scimTypeOf({ kind, code, scimType }: Refused): string | undefined {
  if (scimType !== undefined) return scimType;
  if (kind === 'malformed_body') return 'invalidSyntax';
  if (kind === 'invalid') return 'invalidValue';
  return kind === 'conflict' && code === 'member_exists' ? 'uniqueness' : undefined;
}

function detailOf({ detail, errors }: Refused): string {
  const faults = (errors ?? []).slice(0, MAX_FAULTS).map(({ pointer, detail: fault }) => `${pointer} ${fault}`);
  return faults.length === 0 ? detail : faults.join('; ');
}
