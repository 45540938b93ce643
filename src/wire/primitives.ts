import { z } from 'zod';
import { CONSTRAINT_KINDS, type ConstraintKind, isConstraintPattern } from '../rules/constraint.js';
import type { FieldError } from '../rules/refusal.js';
import { pointerTo } from '../rules/refusal.js';
import { ROLES } from '../rules/role.js';
import { isScope } from '../rules/scope.js';
import { MEMBER_STATUSES, REVOKE_REASONS, TOKEN_STATUSES } from '../rules/token.js';
import { isWorkflowLabel } from '../rules/workflow.js';
import type { Constraints } from './resources.js';

const MAX_SCOPES = 64;
const MAX_PATTERNS = 64;

/** Text that a person wrote, of one line: no control characters (NUL among them) and no lone surrogates, so that
 *  PostgreSQL can hold it and a terminal can show it. */
export function line(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine(
      (text) => text.isWellFormed() && !/[\u0000-\u001f\u007f-\u009f]/.test(text),
      'must not hold control characters',
    );
}

/** As {@link line}, with tabs and line breaks. */
export function prose(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .refine(
      (text) => text.isWellFormed() && !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text),
      'must not hold control characters',
    );
}

export const timestamp = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 time, such as 2026-01-31T12:00:00Z' })
  .refine((text) => {
    const year = new Date(text).getUTCFullYear();
    return year >= 1970 && year <= 9999;
  }, 'must lie between the years 1970 and 9999')
  .meta({ format: 'date-time' });

export const workflowLabel = z
  .string()
  .refine(isWorkflowLabel, 'must be 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends')
  .meta({ pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$' });

export const scope = z
  .string()
  .refine(isScope, 'must be a scope of two or more parts, such as repo:read or repo:*')
  .meta({ examples: ['repo:read', 'codex:exec', 'repo:*'], maxLength: 128 });

export const scopes = z
  .array(scope)
  .max(MAX_SCOPES)
  .transform((list) => [...new Set(list)]);

export const role = z.enum(ROLES);
export const memberStatus = z.enum(MEMBER_STATUSES);
export const tokenStatus = z.enum(TOKEN_STATUSES);
export const revokeReason = z.enum(REVOKE_REASONS);

/** A public id of one kind. Whether it stands for something is decided later: what does not exist is not found. */
export function publicId(prefix: string) {
  return z.string().regex(new RegExp(`^${prefix}_[0-9A-Za-z]{22}$`), `must be an id that starts with ${prefix}_`);
}

function patterns(kind: ConstraintKind, hint: string) {
  return z
    .array(z.string().refine((text) => isConstraintPattern(kind, text), `must be ${hint}`))
    .min(1)
    .max(MAX_PATTERNS)
    .optional();
}

export const constraints = z
  .strictObject({
    repositories: patterns('repositories', 'owner/name or host/owner/name, with * and **'),
    refs: patterns('refs', 'a full ref such as refs/heads/main, with * and **'),
    environments: patterns('environments', 'an environment name, with * and **'),
    runners: patterns('runners', 'a runner name, with * and **'),
    networks: patterns('networks', 'a CIDR such as 10.0.0.0/8 or 2001:db8::/32'),
  })
  .meta({ id: 'Constraints', description: 'Where tokens may be used. An absent kind does not constrain.' });

/** Constraints as an answer shows them: an empty list means that nothing passes. */
export const shownConstraints: z.ZodType<Constraints> = z.object(
  Object.fromEntries(CONSTRAINT_KINDS.map((kind) => [kind, z.array(z.string()).optional()])),
);

export const limit = z
  .string()
  .regex(/^([1-9]\d?|1\d\d|200)$/, 'must be a whole number from 1 to 200')
  .transform(Number)
  .default(50)
  .meta({ override: { type: 'integer', minimum: 1, maximum: 200, default: 50 } });

export const cursor = z.string().max(512).optional();

/** Wraps a resource's schema in the form of a page. */
export function page<T>(item: z.ZodType<T>) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}

/** Says what is wrong with a message, member by member, in words for the one who sent it. The value itself is never
 *  repeated: it may be a secret in the wrong place. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key.description) : key));
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ pointer: pointerTo([...path, key]), detail: 'is not known here' }));
    }
    return [{ pointer: pointerTo(path), detail: issue.message }];
  });
}
