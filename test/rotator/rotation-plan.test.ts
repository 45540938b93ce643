import { expect, test } from 'vitest';
import { type Head, type Plan, planRotation } from '../../src/rotator/rotation-plan.js';
import { newId, newTokenSecret, printId, printToken } from '../../src/rules/format.js';

const NOW = new Date('2026-03-01T00:00:00Z');
const DAY_MS = 86_400_000;

function makeToken() {
  const id = newId('tok', NOW);
  return { id: printId('tok', id), one: () => printToken({ id, tokenSecret: newTokenSecret() }) };
}

const OLD = makeToken();
const HEAD = makeToken();
const [secret, older, otherSecret] = [HEAD.one(), OLD.one(), HEAD.one()];
const head: Head = {
  id: HEAD.id,
  lineageId: OLD.id,
  predecessor: OLD.id,
  isUsed: true,
  isRevoked: false,
  createdAt: new Date(NOW.getTime() - 10 * DAY_MS),
  expiresAt: new Date(NOW.getTime() + 20 * DAY_MS),
};
const unused: Head = { ...head, isUsed: false };
const first: Head = { ...head, predecessor: undefined };
const BLIND = { isReadable: false, value: undefined };
const holds = (...values: (string | undefined)[]) => values.map((value) => ({ isReadable: true, value }));
const rotate = (target: string, isResumed = false): Plan => ({ kind: 'rotate', target, isResumed });

test.each([
  ['nothing says when: at once', { head, sinks: holds(secret), due: {} }, rotate(HEAD.id)],
  ['its end is near', { head, sinks: [BLIND], due: { ifExpiresWithinDays: 20 } }, rotate(HEAD.id)],
  ['it is old', { head, sinks: [BLIND], due: { ifExpiresWithinDays: 1, everyDays: 10 } }, rotate(HEAD.id)],
  ['it is neither', { head, sinks: holds(secret), due: { ifExpiresWithinDays: 19, everyDays: 11 } }, { kind: 'rest' }],
  ['a sink that can be read lost it', { head, sinks: holds(undefined), due: { everyDays: 99 } }, rotate(HEAD.id)],
  ['a sink never had it', { head: first, sinks: holds('else'), due: { everyDays: 99 } }, rotate(HEAD.id)],
  ['a sink that cannot be read may have it', { head: first, sinks: [BLIND], due: { everyDays: 99 } }, { kind: 'rest' }],
  ['one sink has it, another not', { head, sinks: holds(older, secret) }, { kind: 'spread', secrets: [secret] }],
  ['all have it, and it was never used', { head: unused, sinks: holds(secret) }, { kind: 'spread', secrets: [secret] }],
  [
    'two sinks have two secrets of it',
    { head: unused, sinks: holds(secret, otherSecret) },
    { kind: 'spread', secrets: [secret, otherSecret] },
  ],
  [
    'a sink that cannot be read may lack it, a day at most',
    {
      head: { ...head, createdAt: new Date(NOW.getTime() - DAY_MS + 1) },
      sinks: [...holds(secret), BLIND],
      due: { everyDays: 99 },
    },
    { kind: 'spread', secrets: [secret] },
  ],
  [
    'a sink that cannot be read has had it for a day',
    {
      head: { ...head, createdAt: new Date(NOW.getTime() - DAY_MS) },
      sinks: [...holds(secret), BLIND],
      due: { everyDays: 99 },
    },
    { kind: 'rest' },
  ],
  [
    'a smoke test may have failed, a day at most',
    { head: { ...head, createdAt: NOW }, sinks: holds(secret), due: { everyDays: 99 }, isTested: true },
    { kind: 'spread', secrets: [secret] },
  ],
  [
    'a smoke test belongs to what was never rotated',
    { head: { ...first, createdAt: NOW }, sinks: holds(secret), due: { everyDays: 99 }, isTested: true },
    { kind: 'rest' },
  ],
  ['its secret is nowhere, and it was never used', { head: unused, sinks: holds(older) }, rotate(OLD.id, true)],
  ['it was never used, and no sink can be read', { head: unused, sinks: [BLIND] }, rotate(OLD.id, true)],
  ['somebody else made it just now', { head: { ...unused, createdAt: NOW }, sinks: [BLIND] }, { kind: 'leave' }],
  ['the rotator came with it', { head, sinks: holds(older), own: secret }, { kind: 'spread', secrets: [secret] }],
  ['the rotator came with it, due', { head, sinks: [BLIND], own: secret }, rotate(HEAD.id)],
  ['the rotator came with the one before', { head: unused, sinks: [BLIND], own: older }, rotate(OLD.id, true)],
] satisfies [string, Partial<Parameters<typeof planRotation>[0]>, Plan][])(
  'the plan where %s',
  (_title, over, plan) => {
    const usual = { head, sinks: [], own: undefined, due: {}, leaveSeconds: 300, isTested: false, now: NOW };
    expect(planRotation({ ...usual, ...over })).toEqual(plan);
  },
);
