import { z } from 'zod';
import { INCIDENT_KINDS } from '../rules/incident.js';
import { RUN_STATUSES } from '../rules/run.js';
import { page, timestamp, token, tokenStatus } from './answers.js';
import type { Incident, IncidentReport, LeakReceipt } from './incident-resources.js';

export const leakReceipt: z.ZodType<LeakReceipt> = z
  .object({ received: z.int().describe('How many were in the report, whatever they were.') })
  .meta({ id: 'LeakReceipt' });

const incidentShape = {
  id: z.string(),
  kind: z
    .enum(INCIDENT_KINDS)
    .describe('`leak`: its secret was found somewhere. `reuse`: its dead secret was used, and refused.'),
  status: z.enum(['open', 'closed']),
  token_id: z.string(),
  workflow: z.string(),
  lineage_id: z.string(),
  opened_at: timestamp,
  last_seen_at: timestamp,
  times_seen: z.int().describe('How often it was reported; of uses, one a minute counts.'),
  token_was: tokenStatus.describe('What the token was when the incident was opened.'),
  revoked: z.array(z.string()).describe('The tokens that the incident has revoked.'),
  closed_at: timestamp.nullable(),
  closed_by: z.string().nullable(),
  closed_note: z.string().nullable(),
};

const incident: z.ZodType<Incident> = z.object(incidentShape).meta({ id: 'Incident' });

export const incidentPage = page('IncidentPage', incident);

export const incidentReport: z.ZodType<IncidentReport> = z
  .object({
    ...incidentShape,
    token,
    seen: z
      .array(
        z.object({
          at: timestamp,
          type: z.string().optional(),
          url: z.string().optional().describe('As the finder says: not checked.'),
          ip: z.string().optional(),
          by: z.string().optional().describe('The token that asked.'),
        }),
      )
      .describe('Where the secret was seen: 20 places at most.'),
    uses: z
      .array(
        z.object({
          check_id: z.string(),
          at: timestamp,
          decision: z.enum(['allow', 'deny']),
          repository: z.string().nullable(),
          ref: z.string().nullable(),
          environment: z.string().nullable(),
          job: z.string().nullable(),
          command: z.string().nullable(),
          ip: z.string().nullable(),
          runner_id: z.string().nullable(),
          caller_token_id: z.string(),
          run_status: z.enum(RUN_STATUSES).nullable(),
          finished_at: timestamp.nullable(),
        }),
      )
      .describe('The last 50 exec checks of the token, newest first, with what became of their runs.'),
    asked_by: z.array(z.string()).describe('The tokens that asked about it, as far as it is on record.'),
    siblings: z
      .array(
        z.object({
          id: z.string(),
          status: tokenStatus,
          expires_at: timestamp,
          last_used_at: timestamp.nullable(),
        }),
      )
      .describe('The other tokens of its lineage, newest first: 200 at most.'),
  })
  .meta({ id: 'IncidentReport' });
