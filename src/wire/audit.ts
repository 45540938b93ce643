import { z } from 'zod';
import { auditPage, checkpoint } from './answers.js';
import { operation } from './operation.js';
import { cursor, limit } from './primitives.js';

const tag = 'audit';

export const listAuditOperation = operation({
  id: 'listAuditEvents',
  method: 'get',
  path: '/v1/audit-events',
  tag,
  summary: 'List audit events in the order of their chain',
  description:
    '`hash` is the lower-case hex SHA-256 of the RFC 8785 form of the event as shown, without its `hash`; `prev_hash` is the hash of the event before, 64 zeros for the first.',
  auth: 'bearer',
  scope: 'audit:read',
  query: z.strictObject({
    limit,
    cursor,
    after: z
      .string()
      .regex(/^(0|[1-9]\d{0,14})$/, 'must be the seq of an event')
      .transform(Number)
      .optional()
      .meta({ override: { type: 'integer', minimum: 0 }, description: 'A `seq`: only events after it.' }),
    action: z
      .string()
      .max(64)
      .regex(/^[a-z_.]+$/, 'must be the name of an action')
      .optional()
      .describe('Only this action, such as `token.revoked`.'),
    target: z
      .string()
      .max(64)
      .regex(/^[a-z]+_[0-9A-Za-z]{22}$/, 'must be a public id')
      .optional()
      .describe('Only what was done to the thing with this id.'),
  }),
  answers: { 200: { description: 'A page of events', schema: auditPage } },
  refusals: [422],
});

export const checkpointOperation = operation({
  id: 'auditCheckpoint',
  method: 'get',
  path: '/v1/audit-events/checkpoint',
  tag,
  summary: 'Sign the head of the chain, so that a truncated log shows',
  auth: 'bearer',
  scope: 'audit:read',
  answers: { 200: { description: 'A compact JWS (RFC 7515)', schema: checkpoint } },
  refusals: [],
});
