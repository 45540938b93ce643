import { z } from 'zod';
import { operation } from './operation.js';

/** That the process is up; it says nothing of the database. */
const health = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });

/** Whether the service can do its work. */
const readiness = z
  .object({
    status: z.enum(['ok', 'unavailable']).describe('`ok` when the service can do its work.'),
    database: z.enum(['ok', 'unreachable']).describe('Whether the database answered in time.'),
    migrations: z.enum(['current', 'behind', 'unknown']).describe('`unknown` while the database is out of reach.'),
  })
  .meta({ id: 'Readiness' });

const tag = 'system';

export const healthOperation = operation({
  id: 'healthz',
  method: 'get',
  path: '/healthz',
  tag,
  summary: 'Tell that the process is up',
  description: 'For a liveness probe. It does not ask the database: a restart would not mend that.',
  auth: 'none',
  answers: { 200: { description: 'Up', schema: health } },
  refusals: [],
});

export const readinessOperation = operation({
  id: 'readyz',
  method: 'get',
  path: '/readyz',
  tag,
  summary: 'Tell whether the service can do its work',
  description: 'For a readiness probe and for a balancer: the database is reached and its migrations are current.',
  auth: 'none',
  answers: {
    200: { description: 'Ready', schema: readiness },
    503: { description: 'Not ready, and why', schema: readiness },
  },
  refusals: [],
});

export const metricsOperation = operation({
  id: 'metrics',
  method: 'get',
  path: '/metrics',
  tag,
  summary: 'Give figures to Prometheus',
  description: 'No label holds a token, a workspace or a raw path.',
  auth: 'none',
  answers: { 200: { description: 'The text format of Prometheus', contentType: 'text/plain' } },
  refusals: [],
});

export const openApiOperation = operation({
  id: 'openapi',
  method: 'get',
  path: '/openapi.json',
  tag,
  summary: 'Give this document',
  auth: 'none',
  answers: { 200: { description: 'An OpenAPI 3.1 document', schema: z.looseObject({ openapi: z.string() }) } },
  refusals: [],
});

export const docsOperation = operation({
  id: 'docs',
  method: 'get',
  path: '/docs',
  tag,
  summary: 'Show this document as a page',
  auth: 'none',
  answers: { 200: { description: 'One page without scripts or outside resources', contentType: 'text/html' } },
  refusals: [],
});

export const approvePageOperation = operation({
  id: 'approvePage',
  method: 'get',
  path: '/runners/approve',
  tag,
  summary: 'Say how the code of an enrolling host is approved',
  description:
    'Where the QR code of `countersign runner join` leads. The code is behind the `#` of the address, which is not sent.',
  auth: 'none',
  answers: { 200: { description: 'A page', contentType: 'text/html' } },
  refusals: [],
});

export const problemOperation = operation({
  id: 'problem',
  method: 'get',
  path: '/problems/{kind}',
  tag,
  summary: 'Say what a problem type means and what to do',
  description: 'The `type` of every problem is the address of such a page (RFC 9457 section 3.1.1).',
  auth: 'none',
  answers: { 200: { description: 'A page', contentType: 'text/html' } },
  refusals: [],
});
