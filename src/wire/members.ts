import { z } from 'zod';
import { acceptedMember, invitedMember, me, member, memberPage, role } from './answers.js';
import { operation } from './operation.js';
import { cursor, limit, line } from './primitives.js';
import type { InviteRequest } from './resources.js';

export const email = z.email({ error: 'must be an e-mail address' }).max(254);

export const inviteRequest = z.strictObject({ email, name: line(100).optional(), role }).meta({
  id: 'InviteRequest',
  examples: [{ email: 'ada@example.com', name: 'Ada', role: 'member' }],
}) satisfies z.ZodType<InviteRequest>;

export const memberPatch = z
  .strictObject({ role: role.optional(), name: line(100).optional() })
  .refine((patch) => (patch.role === undefined) !== (patch.name === undefined), 'must hold exactly one of role, name')
  .meta({
    id: 'MemberPatch',
    description: 'Exactly one of `role` and `name`.',
    minProperties: 1,
    maxProperties: 1,
    examples: [{ role: 'auditor' }],
  });

const tag = 'members';

export const listMembersOperation = operation({
  id: 'listMembers',
  method: 'get',
  path: '/v1/members',
  tag,
  summary: 'List members, oldest first',
  auth: 'bearer',
  scope: 'members:read',
  query: z.strictObject({ limit, cursor }),
  answers: { 200: { description: 'A page of members', schema: memberPage } },
  refusals: [422],
});

export const showMemberOperation = operation({
  id: 'showMember',
  method: 'get',
  path: '/v1/members/{id}',
  tag,
  summary: 'Show a member',
  auth: 'bearer',
  scope: 'members:read',
  answers: { 200: { description: 'The member', schema: member } },
  refusals: [],
});

export const inviteMemberOperation = operation({
  id: 'inviteMember',
  method: 'post',
  path: '/v1/members',
  tag,
  summary: 'Invite a person',
  auth: 'bearer',
  scope: 'members:write',
  body: inviteRequest,
  answers: { 201: { description: 'Invited', schema: invitedMember, headers: ['Location'] } },
  refusals: [409, 415, 422],
});

export const acceptInvitationOperation = operation({
  id: 'acceptInvitation',
  method: 'post',
  path: '/v1/members/accept',
  tag,
  summary: 'Accept an invitation, which is the Bearer token',
  auth: 'token',
  answers: { 201: { description: 'Accepted', schema: acceptedMember } },
  refusals: [],
});

export const patchMemberOperation = operation({
  id: 'patchMember',
  method: 'patch',
  path: '/v1/members/{id}',
  tag,
  summary: "Change a member's role or name",
  auth: 'bearer',
  scope: 'members:write',
  body: memberPatch,
  answers: { 200: { description: 'The member', schema: member } },
  refusals: [409, 415, 422],
});

export const suspendMemberOperation = operation({
  id: 'suspendMember',
  method: 'post',
  path: '/v1/members/{id}/suspend',
  tag,
  summary: 'Suspend a member: all tokens made by this person are inactive at once',
  description:
    'The person’s sessions end. Tokens of workflows with a leaver rule are frozen or revoked by it; a reactivation lets only the others be active again.',
  auth: 'bearer',
  scope: 'members:write',
  answers: { 200: { description: 'The member', schema: member } },
  refusals: [409],
});

export const reactivateMemberOperation = operation({
  id: 'reactivateMember',
  method: 'post',
  path: '/v1/members/{id}/reactivate',
  tag,
  summary: 'Reactivate a suspended member',
  auth: 'bearer',
  scope: 'members:write',
  answers: { 200: { description: 'The member', schema: member } },
  refusals: [409],
});

export const removeMemberOperation = operation({
  id: 'removeMember',
  method: 'delete',
  path: '/v1/members/{id}',
  tag,
  summary: 'Remove a member and revoke all tokens made by this person',
  description:
    'The person’s sessions end. Where the leaver rule of a workflow names a successor, that one may still take over: with a new token.',
  auth: 'bearer',
  scope: 'members:write',
  answers: { 204: { description: 'Removed' } },
  refusals: [409],
});

export const meOperation = operation({
  id: 'me',
  method: 'get',
  path: '/v1/me',
  tag,
  summary: 'Show who is calling, with what',
  auth: 'bearer',
  answers: { 200: { description: 'The member behind the token', schema: me } },
  refusals: [],
});
