import { z } from 'zod';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_DRAIN_SECONDS, MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import { placeFault } from '../rules/rotation-place.js';
import { MAX_PLACES, MAX_ROTATIONS, rotationFaults } from '../rules/workflow-rotation.js';
import { line } from './primitives.js';
import type { WorkflowRotation } from './resources.js';

const place = z.string().superRefine((text, context) => {
  const fault = placeFault(text);
  if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
});

const rotation = z
  .strictObject({
    name: line(100)
      .min(1)
      .optional()
      .describe("Which of the workflow's tokens, by its name; without one the only one that it has."),
    into: z
      .array(place)
      .min(1)
      .max(MAX_PLACES)
      .describe('Where the secret lives: `vault:kv/ci/agent#token`, `github:acme/api/NAME`. No file and no command.'),
    if_expires_within_days: z.int().min(0).max(MAX_EXPIRY_DAYS).optional().describe('So many days before its end.'),
    every_days: z.int().min(1).max(MAX_EXPIRY_DAYS).optional().describe('At such an age.'),
    expires_in_days: z.int().min(1).max(MAX_EXPIRY_DAYS).optional().describe('As long as before unless said.'),
    overlap_seconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).optional(),
    drain_seconds: z.int().min(0).max(MAX_DRAIN_SECONDS).optional(),
  })
  .refine((one) => one.if_expires_within_days !== undefined || one.every_days !== undefined, {
    message: 'must say when: if_expires_within_days or every_days',
  })
  .meta({
    id: 'WorkflowRotation',
    description:
      'Where a secret of the workflow lives, and when `countersign rotator` makes another. It names places and never credentials; the rotator is told apart which places it may write to.',
  }) satisfies z.ZodType<WorkflowRotation>;

/** Where the secrets of a workflow live: each place once. */
export const workflowRotations = z
  .array(rotation)
  .max(MAX_ROTATIONS)
  .superRefine((list, context) => {
    for (const { path, detail } of rotationFaults(list)) {
      context.addIssue({ code: 'custom', path: [...path], message: detail });
    }
  });
