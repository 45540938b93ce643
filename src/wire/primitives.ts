import { z } from 'zod';
import { type ConstraintKind, isConstraintPattern } from '../rules/constraint.js';
import type { FieldError } from '../rules/refusal.js';
import { pointerTo } from '../rules/refusal.js';
import { isScope } from '../rules/scope.js';
import { isWorkflowLabel } from '../rules/workflow.js';

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

export const workflowLabel = z
  .string()
  .refine(isWorkflowLabel, 'must be 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends')
  .meta({ pattern: '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$' });

export const scope = z
  .string()
  .refine(isScope, 'must be a scope of two or more parts, such as repo:read or repo:*')
  .meta({ pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$', maxLength: 128 });

export const scopes = z
  .array(scope)
  .max(MAX_SCOPES)
  .transform((list) => [...new Set(list)]);

/** A public id of one kind. Whether it stands for something is decided later: what does not exist is not found. */
export function publicId(prefix: string) {
  return z.string().regex(new RegExp(`^${prefix}_[0-9A-Za-z]{22}$`), `must be an id that starts with ${prefix}_`);
}

const HINTS: Readonly<Record<ConstraintKind, string>> = {
  repositories: 'owner/name or host/owner/name, with * and **',
  refs: 'a full ref such as refs/heads/main, with * and **',
  environments: 'an environment name, with * and **',
  runners: 'a runner name, with * and **',
  networks: 'a CIDR such as 10.0.0.0/8 or 2001:db8::/32',
};

/** One pattern or more of a kind. */
export function constraintPatterns(kind: ConstraintKind) {
  return z
    .array(z.string().refine((text) => isConstraintPattern(kind, text), `must be ${HINTS[kind]}`))
    .min(1)
    .max(MAX_PATTERNS);
}

function patterns(kind: ConstraintKind) {
  return constraintPatterns(kind).optional().describe(`Each is ${HINTS[kind]}.`);
}

export const constraints = z
  .strictObject({
    repositories: patterns('repositories'),
    refs: patterns('refs'),
    environments: patterns('environments'),
    runners: patterns('runners'),
    networks: patterns('networks'),
  })
  .meta({ id: 'Constraints', description: 'Where tokens may be used. An absent kind does not constrain.' });

export const limit = z
  .string()
  .regex(/^([1-9]\d?|1\d\d|200)$/, 'must be a whole number from 1 to 200')
  .transform(Number)
  .default(50)
  .meta({
    override: { type: 'integer', minimum: 1, maximum: 200, default: 50 },
    description: 'Entries on a page, at most.',
  });

export const cursor = z.string().max(512).optional().describe('The `next_cursor` of the page before.');

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
