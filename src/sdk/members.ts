import { acceptedMember, invitedMember, member, memberPage } from '../wire/answers.js';
import type { AcceptedMember, InvitedMember, InviteRequest, Member, MemberPatch, Page } from '../wire/resources.js';
import { type ClientOptions, sendFor, sendOnly } from './transport.js';

/** The people of the workspace, by their id (`mem_…`). */
export interface MembersClient {
  list(query?: { limit?: number | undefined; cursor?: string | undefined }): Promise<Page<Member>>;
  show(id: string): Promise<Member>;
  /** Invites a person; the invitation is in the answer and never shown again. */
  invite(request: InviteRequest): Promise<InvitedMember>;
  /** Accepts an invitation, once, and gives a token to sign in with. */
  accept(invitation: string): Promise<AcceptedMember>;
  patch(id: string, patch: MemberPatch): Promise<Member>;
  suspend(id: string): Promise<Member>;
  reactivate(id: string): Promise<Member>;
  remove(id: string): Promise<void>;
}

export function membersClient(options: ClientOptions): MembersClient {
  const path = (id: string, verb = '') => `/v1/members/${encodeURIComponent(id)}${verb}`;
  return {
    list: (query) => sendFor(options, { method: 'GET', path: '/v1/members', query: { ...query } }, memberPage),
    show: (id) => sendFor(options, { method: 'GET', path: path(id) }, member),
    invite: (request) => sendFor(options, { method: 'POST', path: '/v1/members', json: request }, invitedMember),
    accept: (invitation) =>
      sendFor(options, { method: 'POST', path: '/v1/members/accept', token: invitation }, acceptedMember),
    patch: (id, patch) => sendFor(options, { method: 'PATCH', path: path(id), json: patch }, member),
    suspend: (id) => sendFor(options, { method: 'POST', path: path(id, '/suspend') }, member),
    reactivate: (id) => sendFor(options, { method: 'POST', path: path(id, '/reactivate') }, member),
    remove: (id) => sendOnly(options, { method: 'DELETE', path: path(id) }),
  };
}
