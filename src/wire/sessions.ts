import { z } from 'zod';
import { operation } from './operation.js';
import { cursor, limit, publicId } from './primitives.js';
import { sessionPage } from './session-answers.js';

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
