import { describe, expect, test } from 'vitest';
import { type ExplainedToken, explainToken, type TrailEvent } from '../../src/rules/explain.js';
import { newId, printId } from '../../src/rules/format.js';

const START = new Date('2026-03-02T09:00:00.000Z');
const at = (hours: number) => new Date(START.getTime() + hours * 3_600_000);
const own = newId('tok', START);
const OWN = printId('tok', own);
const ADA = printId('mem', newId('mem', START));
const GRACE = printId('mem', newId('mem', START));
const WORKFLOW = printId('wfl', newId('wfl', START));
const OTHER = printId('tok', newId('tok', START));

function token(changes: Partial<ExplainedToken> = {}): ExplainedToken {
  return {
    id: own,
    createdAt: START,
    firstUsedAt: null,
    notBefore: null,
    expiresAt: at(24),
    rotatedTo: null,
    overlapEndsAt: null,
    drainSeconds: null,
    policyFaults: [],
    ...changes,
  };
}

function event(hours: number, action: string, changes: Partial<TrailEvent> = {}): TrailEvent {
  const time = at(hours);
  return { id: newId('evt', time), at: time, actorId: ADA, action, target: OWN, data: {}, ...changes };
}

const minted = event(0, 'token.minted', { data: { workflow: 'nightly', expires_at: at(24).toISOString() } });
const summary = (trail: TrailEvent[], hours = 10) => explainToken(token(), [minted, ...trail], at(hours)).summary;

describe('the summary of a token that was revoked', () => {
  test('says when, by whom, and why, once', () => {
    const data = { reason: 'leaked', note: 'in a log' };
    expect(summary([event(1, 'token.revoked', { data })])).toBe(
      `revoked since 2026-03-02T10:00:00.000Z by ${ADA} as leaked: in a log`,
    );
    expect(summary([event(1, 'token.revoked', { data: { reason: 'unused' } })])).toBe(
      `revoked since 2026-03-02T10:00:00.000Z by ${ADA} as unused`,
    );
  });

  test('by its holder names nobody and no reason', () => {
    const data = { reason: 'other', note: 'revoked by its holder (RFC 7009)' };
    const explained = explainToken(token(), [minted, event(1, 'token.revoked', { data, actorId: OWN })], at(2));
    expect(explained.summary).toBe('revoked since 2026-03-02T10:00:00.000Z by its holder (RFC 7009)');
    expect(explained.facts.at(-1)).toMatchObject({ by: OWN, detail: 'revoked by its holder (RFC 7009)' });
  });

  test('because its creator was removed says so', () => {
    expect(summary([event(1, 'member.removed', { target: ADA, actorId: GRACE })])).toBe(
      `revoked since 2026-03-02T10:00:00.000Z: its creator was removed by ${GRACE}`,
    );
  });
});

describe('the summary of a token that is held back names what holds it back now', () => {
  const paused = event(2, 'workflow.paused', { target: WORKFLOW, actorId: GRACE });
  const suspended = event(1, 'member.suspended', { target: ADA, actorId: GRACE });

  test('its workflow', () => {
    expect(summary([paused])).toBe(`suspended since 2026-03-02T11:00:00.000Z: its workflow was paused by ${GRACE}`);
  });

  test('its creator having left, and that it stays frozen when the creator comes back', () => {
    const left = event(1, 'member.suspended', { target: ADA, actorId: GRACE, data: { left: true } });
    const reactivated = event(3, 'member.reactivated', { target: ADA, actorId: GRACE });
    expect(summary([left])).toBe(
      `suspended since 2026-03-02T10:00:00.000Z: its creator was taken out as having left by ${GRACE}`,
    );
    const data = { reason: 'owner_left', takeover_by: GRACE, takeover_until: at(9).toISOString() };
    const frozen = event(1, 'token.frozen', { actorId: GRACE, data });
    expect(summary([frozen, left, reactivated])).toBe(
      `suspended since 2026-03-02T10:00:00.000Z: frozen, because its creator is gone (${GRACE} may take over until 2026-03-02T18:00:00.000Z) by ${GRACE}`,
    );
    expect(summary([frozen, reactivated, event(4, 'token.unfrozen')])).toMatch(/^active until /);
  });

  test('its creator, also when its workflow was paused later and runs again', () => {
    const resumed = event(3, 'workflow.resumed', { target: WORKFLOW });
    expect(summary([suspended, paused, resumed])).toBe(
      `suspended since 2026-03-02T10:00:00.000Z: its creator was suspended by ${GRACE}`,
    );
  });
});

describe('the facts', () => {
  test('tell of what a token was rotated from', () => {
    const data = { workflow: 'nightly', expires_at: at(24).toISOString(), rotated_from: OTHER };
    const { facts } = explainToken(token(), [event(0, 'token.minted', { data })], at(1));
    expect(facts.map((fact) => fact.detail)).toEqual([
      `rotated from ${OTHER} for workflow nightly, good until 2026-03-03T09:00:00.000Z`,
    ]);
  });

  test('are in the order of time, with those that no event tells', () => {
    const used = token({ firstUsedAt: at(2), notBefore: at(1) });
    const trail = [minted, event(3, 'token.revoked', { data: { reason: 'leaked' } })];
    const told = (hours: number) => explainToken(used, trail.slice(0, 2), at(hours)).facts.map((fact) => fact.fact);
    expect(told(30)).toEqual([
      'token.minted',
      'token.not_before',
      'token.first_used',
      'token.revoked',
      'token.expires',
    ]);
    expect(explainToken(used, [minted], at(1)).facts.map((fact) => fact.fact)).toEqual([
      'token.minted',
      'token.not_before',
    ]);
    const { facts } = explainToken(used, trail, at(2));
    expect(facts.find((fact) => fact.fact === 'token.first_used')).toEqual({
      at: at(2).toISOString(),
      fact: 'token.first_used',
      detail: 'used for the first time',
      by: null,
      reason: null,
      event_id: null,
    });
  });
});
