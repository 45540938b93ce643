import { z } from 'zod';
import { incidentPage, incidentReport } from './incident-answers.js';
import type { CloseIncidentRequest } from './incident-resources.js';
import { operation } from './operation.js';
import { cursor, limit, prose, publicId } from './primitives.js';

const tag = 'incidents';

const closeRequest = z
  .strictObject({ note: prose(2000).min(1).optional().describe('What came of it, for the record.') })
  .meta({
    id: 'CloseIncidentRequest',
    examples: [{ note: 'The log was deleted, and the job has a token of its own now.' }],
  }) satisfies z.ZodType<CloseIncidentRequest>;

export const listIncidentsOperation = operation({
  id: 'listIncidents',
  method: 'get',
  path: '/v1/incidents',
  tag,
  summary: 'List incidents, newest first',
  description: 'Members see those of the tokens that they made or own.',
  auth: 'bearer',
  scope: 'tokens:read',
  query: z.strictObject({
    limit,
    cursor,
    status: z.enum(['open', 'closed']).optional(),
    token: publicId('tok').optional(),
  }),
  answers: { 200: { description: 'A page of incidents', schema: incidentPage } },
  refusals: [422],
});

export const showIncidentOperation = operation({
  id: 'showIncident',
  method: 'get',
  path: '/v1/incidents/{id}',
  tag,
  summary: 'Show an incident: the token, where it was seen and used, its lineage, and what was done',
  auth: 'bearer',
  scope: 'tokens:read',
  answers: { 200: { description: 'The incident', schema: incidentReport } },
  refusals: [],
});

export const closeIncidentOperation = operation({
  id: 'closeIncident',
  method: 'post',
  path: '/v1/incidents/{id}/close',
  tag,
  summary: 'Close an incident',
  description: 'Again changes nothing. Seen once more after that, the token has another incident.',
  auth: 'bearer',
  scope: 'tokens:revoke',
  body: closeRequest,
  isBodyOptional: true,
  answers: { 200: { description: 'The incident', schema: incidentReport } },
  refusals: [415, 422],
});
