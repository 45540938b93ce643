import { z } from 'zod';
import { SESSION_METHODS, SESSION_STATUSES } from '../rules/session.js';
import { page, timestamp } from './answers.js';
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
