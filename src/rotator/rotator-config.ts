import { z } from 'zod';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_DRAIN_SECONDS, MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import { isSamePlace } from '../rules/rotation-place.js';
import { parseSink } from './parse-sink.js';
import type { Due } from './rotation-plan.js';
import { type Environment, type Sink, SinkTextError } from './sink.js';
import { parseSmokeTest, type SmokeTest } from './smoke-test.js';

const days = z.number().min(0).max(MAX_EXPIRY_DAYS);

const entry = z
  .strictObject({
    token: z
      .string()
      .regex(/^tok_[0-9A-Za-z]{22}$/, 'must be the id of a token, tok_…')
      .optional(),
    workflow: z.string().min(1).optional(),
    name: z.string().optional(),
    into: z.array(z.string()).min(1),
    smoke_test: z.string().min(1).optional(),
    if_expires_within_days: days.optional(),
    every_days: days.optional(),
    expires_in_days: z.int().min(1).max(MAX_EXPIRY_DAYS).optional(),
    overlap_seconds: z.int().min(0).max(MAX_OVERLAP_SECONDS).optional(),
    drain_seconds: z.int().min(0).max(MAX_DRAIN_SECONDS).optional(),
  })
  .refine((one) => (one.token === undefined) !== (one.workflow === undefined), 'must name either a token or a workflow')
  .refine((one) => one.name === undefined || one.workflow !== undefined, 'a name goes with a workflow')
  .refine(
    (one) => one.if_expires_within_days !== undefined || one.every_days !== undefined,
    'must say when: if_expires_within_days or every_days',
  );

const config = z.strictObject({ rotations: z.array(entry).min(1) });

/** What the rotator looks after: a token by its id or that of an ancestor, or the one token of a workflow (and name). */
export interface Rotation {
  readonly subject:
    | { readonly kind: 'token'; readonly id: string }
    | { readonly kind: 'workflow'; readonly label: string; readonly name: string | undefined };
  /** The subject, for people. */
  readonly title: string;
  readonly sinks: readonly Sink[];
  readonly smokeTest: SmokeTest | undefined;
  readonly due: Due;
  readonly expiresInDays: number | undefined;
  readonly overlapSeconds: number | undefined;
  readonly drainSeconds: number | undefined;
}

/** Reads what the rotator looks after. Refuses, all at once, what is no such document, a sink that two of them write to, and
 *  two of one subject: they would undo each other's work. Throws {@link SinkTextError}. */
export function parseRotations(document: unknown, env: Environment): Rotation[] {
  const { rotations: entries } = read(config, document, 'the configuration of the rotator is not one:');
  const rotations = entries.map((one) => rotationOf(one, env));
  const claims = rotations.flatMap(({ title, sinks }) => [title, ...sinks.map(({ name }) => name)]);
  const twice = claims.find((claim, at) => claims.slice(0, at).some((other) => isSamePlace(other, claim)));
  if (twice !== undefined) throw new SinkTextError(`${JSON.stringify(twice)} is in the configuration twice`);
  return rotations;
}

/** As {@link parseRotations}, of one rotation. */
export function parseRotation(document: unknown, env: Environment): Rotation {
  return rotationOf(read(entry, document, 'that is no rotation:'), env);
}

/** A workflow and the name of one of its tokens, for people. */
export function titleOf(workflow: string, name: string | undefined): string {
  return name === undefined ? workflow : `${workflow} ${name}`;
}

function read<T>(schema: z.ZodType<T>, document: unknown, title: string): T {
  const parsed = schema.safeParse(document);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `  ${path.join('.')} ${message}`);
  throw new SinkTextError([title, ...faults].join('\n'));
}

function rotationOf(one: z.infer<typeof entry>, env: Environment): Rotation {
  const { token, workflow = '', name, smoke_test: smokeTest } = one;
  const subject = token === undefined ? ({ kind: 'workflow', label: workflow, name } as const) : tokenSubject(token);
  return {
    subject,
    title: token ?? titleOf(workflow, name),
    sinks: one.into.map((text) => parseSink(text, env)),
    smokeTest: smokeTest === undefined ? undefined : parseSmokeTest(smokeTest, 'smoke_test', env),
    due: { ifExpiresWithinDays: one.if_expires_within_days, everyDays: one.every_days },
    expiresInDays: one.expires_in_days,
    overlapSeconds: one.overlap_seconds,
    drainSeconds: one.drain_seconds,
  };
}

function tokenSubject(id: string) {
  return { kind: 'token', id } as const;
}
