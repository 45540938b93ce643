import { parsePublicId } from '../../rules/format.js';
import { accept, type Result, refuse } from '../../rules/refusal.js';
import { readScimPerson, type ScimPerson } from '../../rules/scim-draft.js';
import { readScimPatch } from '../../rules/scim-patch.js';
import type { TokenFacts } from '../../rules/token.js';
import { type Change, findMember, type MemberRow, removeMember } from '../../store/members.js';
import { changePerson, type PersonChange, provisionMember } from '../../store/provisioning.js';
import {
  createScimUserOperation,
  listScimGroupsOperation,
  listScimUsersOperation,
  newScimPerson,
  patchScimUserOperation,
  removeScimUserOperation,
  replaceScimUserOperation,
  scimPerson,
  searchScimUsersOperation,
  showScimUserOperation,
} from '../../wire/scim.js';
import type { Deps } from '../deps.js';
import { endpoint, originOf, parseWith, type Reply } from '../endpoint.js';
import type { Exchange } from '../exchange.js';
import { scimListReply, scimReply } from '../scim-answer.js';
import { presentScimUser, type ScimChoice, scimChoice, scimLocation, scimUserOf } from '../scim-present.js';
import { findPeople, type ScimQuery } from '../scim-search.js';
import { requireStepUp } from '../step-up.js';
import { grantorOf } from '../visible.js';

interface Chosen {
  readonly attributes?: string | undefined;
  readonly excludedAttributes?: string | undefined;
}

/** A call by a token that may change people. */
interface Caller extends Exchange {
  readonly caller: TokenFacts;
  readonly query: Chosen;
}

export const listScimUsersRoute = endpoint(listScimUsersOperation, (deps, { caller, query }) =>
  found(deps, caller, query, choiceOf(query)),
);

export const searchScimUsersRoute = endpoint(searchScimUsersOperation, (deps, { caller, body }) =>
  found(deps, caller, body, scimChoice(body.attributes, body.excludedAttributes)),
);

export const showScimUserRoute = endpoint(showScimUserOperation, async (deps, call) => {
  const id = parsePublicId('mem', call.params['id'] ?? '');
  const row = id && (await findMember(deps.db, call.caller.workspaceId, id));
  if (row === undefined || row.status === 'removed') return refuse({ kind: 'not_found' });
  return accept(scimReply(200, presentScimUser(deps.issuer, row, choiceOf(call.query))));
});

/** Brings a person in. Without a role it is a plain member's, and without `active` the person is. */
export const createScimUserRoute = endpoint(createScimUserOperation, async (deps, call) => {
  const { caller, now } = call;
  const read = readScimPerson(call.body);
  const asked = read.ok ? parseWith(newScimPerson, read.value) : read;
  if (!asked.ok) return asked;
  const { userName: email, externalId = null, displayName: name = null, role = 'member', active = true } = asked.value;
  const confirmed = await requireStepUp(deps, caller, call, `bring ${email} in as ${role}`);
  if (!confirmed.ok) return confirmed;
  const by = {
    issuer: { workspaceId: caller.workspaceId, tokenId: caller.id },
    grantor: grantorOf(caller),
    origin: originOf(caller, call),
  };
  const made = await provisionMember(deps.db, { email, externalId, name, role, isActive: active }, by, now);
  if (!made.ok) return made;
  const headers = { location: scimLocation(deps.issuer, made.value) };
  return accept(scimReply(201, presentScimUser(deps.issuer, made.value, choiceOf(call.query)), headers));
});

export const replaceScimUserRoute = endpoint(replaceScimUserOperation, (deps, call) =>
  changed(deps, call, () => readScimPerson(call.body)),
);

export const patchScimUserRoute = endpoint(patchScimUserOperation, (deps, call) =>
  changed(deps, call, (row) => readScimPatch(call.body, scimUserOf(row))),
);

export const removeScimUserRoute = endpoint(removeScimUserOperation, async (deps, call) => {
  const change = changeOf(call);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const confirmed = await requireStepUp(deps, call.caller, call, 'remove a person as an identity provider does');
  if (!confirmed.ok) return confirmed;
  const removed = await removeMember(deps.db, change);
  return removed.ok ? accept({ status: 204 }) : removed;
});

/** Providers ask for groups when they are set up, and take an empty list for an answer. */
export const listScimGroupsRoute = endpoint(listScimGroupsOperation, async (_deps, { query }) =>
  accept(scimListReply({ total: 0, startIndex: Math.max(1, query.startIndex ?? 1), resources: [] })),
);

async function found(deps: Deps, caller: TokenFacts, query: ScimQuery, choice: ScimChoice): Promise<Result<Reply>> {
  const people = await findPeople(deps.db, caller.workspaceId, query);
  if (!people.ok) return people;
  const { total, startIndex, rows } = people.value;
  const resources = rows.map((row) => presentScimUser(deps.issuer, row, choice));
  return accept(scimListReply({ total, startIndex, resources }));
}

/** Changes a person into what `read` makes of the request and of the person as it stands. */
async function changed(deps: Deps, call: Caller, read: (row: MemberRow) => Result<ScimPerson>): Promise<Result<Reply>> {
  const change = changeOf(call);
  if (change === undefined) return refuse({ kind: 'not_found' });
  const confirmed = await requireStepUp(deps, call.caller, call, 'change a person as an identity provider does');
  if (!confirmed.ok) return confirmed;
  const plan = (row: MemberRow): Result<PersonChange> => {
    const asked = personOf(read(row));
    if (!asked.ok) return asked;
    const { userName: email, externalId, displayName: name, role, active: isActive } = asked.value;
    return accept({ email, externalId, name, role, isActive });
  };
  const outcome = await changePerson(deps.db, change, grantorOf(call.caller), plan);
  if (!outcome.ok) return outcome;
  return accept(scimReply(200, presentScimUser(deps.issuer, outcome.value, choiceOf(call.query))));
}

function personOf(read: Result<ScimPerson>) {
  return read.ok ? parseWith(scimPerson, read.value) : read;
}

function choiceOf({ attributes, excludedAttributes }: Chosen): ScimChoice {
  return scimChoice(attributes?.split(','), excludedAttributes?.split(','));
}

function changeOf(call: Omit<Caller, 'query'>): Change | undefined {
  const id = parsePublicId('mem', call.params['id'] ?? '');
  if (id === undefined) return undefined;
  const { workspaceId, id: tokenId } = call.caller;
  const origin = originOf(call.caller, call);
  return { workspaceId, id, caller: { workspaceId, tokenId }, origin, now: call.now };
}
