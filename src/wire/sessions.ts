import { z } from 'zod';
import { SESSION_METHODS, SESSION_STATUSES } from '../rules/session.js';
import { page, timestamp } from './answers.js';
import { operation } from './operation.js';
import { cursor, limit, publicId } from './primitives.js';
import type { Session } from './resources.js';

const session: z.ZodType<Session> = z
  .object({
    id: z.string(),
    member_id: z.string(),
    method: z
      .enum(SESSION_METHODS)
      .describe('How the person proved who they are: at the OpenID provider, or with a passkey.'),
    status: z.enum(SESSION_STATUSES).describe('`ended` also when it went unused for an hour, or came to its 12 hours.'),
    created_at: timestamp,
    last_used_at: timestamp.describe('To the minute.'),
    expires_at: timestamp,
    ended_at: timestamp.nullable().describe('When somebody ended it.'),
    ip: z.string().nullable().describe('From where it began.'),
    user_agent: z.string().nullable(),
  })
  .meta({ id: 'Session' });

export const sessionPage = page('SessionPage', session);

const tag = 'members';

export const listSessionsOperation = operation({
  id: 'listSessions',
  method: 'get',
  path: '/v1/sessions',
  tag,
  summary: 'List the sessions of a person on the pages, newest first',
  description:
    'One’s own by a token that one signed in with. Those of others, by `member`, need the scope `members:read`. A session is kept for 30 days after its end.',
  auth: 'bearer',
  query: z.strictObject({
    member: publicId('mem').optional().describe('Whose: the id of a member (default: the caller).'),
    limit,
    cursor,
  }),
  answers: { 200: { description: 'A page of sessions', schema: sessionPage } },
  refusals: [422],
});

export const endSessionOperation = operation({
  id: 'endSession',
  method: 'delete',
  path: '/v1/sessions/{id}',
  tag,
  summary: 'End a session, and revoke the tokens that were approved in it',
  description:
    'One’s own by a token that one signed in with; another’s needs the scope `members:write`, and a role that may manage theirs. Again changes nothing.',
  auth: 'bearer',
  answers: { 204: { description: 'It has ended' } },
  refusals: [],
});
