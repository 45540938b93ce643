import { z } from 'zod';
import { RUNNER_STATUSES } from '../rules/runner.js';
import { page, person, timestamp } from './answers.js';
import type { Enrolment, EnrolmentSummary, PendingEnrolment, RedeemedRunner, Runner } from './runner-resources.js';

export const runner: z.ZodType<Runner> = z
  .object({
    id: z.string(),
    name: z.string(),
    labels: z.array(z.string()),
    status: z.enum(RUNNER_STATUSES),
    thumbprint: z.string().describe('The SHA-256 thumbprint of its key (RFC 7638).'),
    created_at: timestamp,
    approved_by: person,
    last_seen_at: timestamp.nullable(),
    token_id: z.string().nullable().describe('Its newest token.'),
    token_expires_at: timestamp.nullable(),
  })
  .meta({ id: 'Runner' });

export const runnerPage = page('RunnerPage', runner);

export const enrolment: z.ZodType<Enrolment> = z
  .object({
    id: z.string(),
    user_code: z.string().describe('For the person at the host, who passes it to one who may approve. A secret.'),
    verification_uri: z.string(),
    expires_at: timestamp,
    interval_seconds: z.int().describe('How long to wait between two questions whether it was approved.'),
    thumbprint: z.string(),
  })
  .meta({ id: 'Enrolment' });

export const enrolmentSummary: z.ZodType<EnrolmentSummary> = z
  .object({
    id: z.string(),
    name: z.string(),
    labels: z.array(z.string()),
    ip: z.string().nullable(),
    thumbprint: z.string(),
    created_at: timestamp,
    expires_at: timestamp,
  })
  .meta({ id: 'EnrolmentSummary' });

export const redeemedRunner: z.ZodType<RedeemedRunner> = z
  .object({
    runner,
    token: z.string().describe('The printed token, shown this once. Good only with proofs of the host’s key.'),
    token_id: z.string(),
    expires_at: timestamp,
  })
  .meta({ id: 'RedeemedRunner' });

export const pendingEnrolment: z.ZodType<PendingEnrolment> = z
  .object({ status: z.literal('pending'), interval_seconds: z.int() })
  .meta({ id: 'PendingEnrolment' });
