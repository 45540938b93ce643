import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { check } from './checker.js';
import type { Act, Effect, History, Outcome, Question, TokenRecord } from './history.js';

const token: TokenRecord = {
  id: 'tok_1',
  workspace: 'ws_1',
  workflow: 'ws_1/nightly',
  creator: 'mem_1',
  lineage: 'tok_1',
  createdAt: 1000,
  mintStartedAt: 1,
  mintEndedAt: 10,
};

function ask(answer: Question['answer'], startedAt: number, endedAt: number): Question {
  return { kind: 'introspect', token: 'tok_1', node: 'a', startedAt, endedAt, answer };
}

function act(effect: Effect, startedAt: number, endedAt: number, outcome: Outcome = 'done'): Act {
  return { kind: effect.does, effect, startedAt, endedAt, outcome };
}

function verdict(acts: readonly Act[], question: Question, made = token): string {
  const { stale, falseNoes } = check({ tokens: [made], acts, questions: [question] });
  if (stale.length > 0) return `stale (${stale[0]?.because})`;
  return falseNoes.length > 0 ? 'false no' : 'fine';
}

const END = { does: 'end', token: 'tok_1' } as const;
const OFF = { does: 'off', of: 'ws_1/nightly' } as const;
const BLOCKED = { does: 'off', of: 'policy of ws_1' } as const;
const ALLOWED = { does: 'on', of: 'policy of ws_1' } as const;
const ON = { does: 'on', of: 'ws_1/nightly' } as const;

describe('an end for good', () => {
  it.each([
    ['a yes to a question that was asked after the end was confirmed', [30, 40], 'yes', [50, 60], 'stale (end)'],
    ['a yes to a question that was asked while the end was under way', [30, 40], 'yes', [35, 60], 'fine'],
    ['a yes that was answered before the end began', [30, 40], 'yes', [20, 25], 'fine'],
    ['a no after the end', [30, 40], 'no', [50, 60], 'fine'],
    ['a no while the end was under way', [30, 40], 'no', [25, 35], 'fine'],
    ['a no before the end began', [30, 40], 'no', [20, 25], 'false no'],
    ['no answer after the end', [30, 40], 'unknown', [50, 60], 'fine'],
  ] as const)('%s', (_, [began, ended], answer, [asked, answered], expected) => {
    expect(verdict([act(END, began, ended)], ask(answer, asked, answered))).toBe(expected);
  });

  it('whose answer was lost allows both answers, from its start on', () => {
    const lost = [act(END, 30, 40, 'unknown')];
    expect(verdict(lost, ask('yes', 50, 60))).toBe('fine');
    expect(verdict(lost, ask('no', 50, 60))).toBe('fine');
    expect(verdict(lost, ask('no', 20, 25))).toBe('false no');
  });

  it('that was refused ends nothing', () => {
    expect(verdict([act(END, 30, 40, 'refused')], ask('yes', 50, 60))).toBe('fine');
    expect(verdict([act(END, 30, 40, 'refused')], ask('no', 50, 60))).toBe('false no');
  });

  it('counts from the first of several', () => {
    expect(verdict([act(END, 30, 90), act(END, 35, 40)], ask('yes', 50, 60))).toBe('stale (end)');
  });
});

describe('a policy that blocks', () => {
  const policed = { ...token, policy: 'policy of ws_1' };

  it('holds back what it speaks of, until it is taken away', () => {
    expect(verdict([act(BLOCKED, 30, 40)], ask('yes', 50, 60), policed)).toBe('stale (off)');
    expect(verdict([act(BLOCKED, 30, 40)], ask('no', 50, 60), policed)).toBe('fine');
    expect(verdict([act(BLOCKED, 30, 40), act(ALLOWED, 42, 45)], ask('no', 50, 60), policed)).toBe('false no');
  });

  it('leaves alone what people sign in with', () => {
    expect(verdict([act(BLOCKED, 30, 40)], ask('yes', 50, 60))).toBe('fine');
    expect(verdict([act(BLOCKED, 30, 40)], ask('no', 50, 60))).toBe('false no');
  });
});

describe('an end of many', () => {
  const selections = [
    { by: 'workspace', workspace: 'ws_1' },
    { by: 'workflow', workflow: 'ws_1/nightly' },
    { by: 'creator', creator: 'mem_1' },
    { by: 'lineage', lineage: 'tok_1' },
    { by: 'issued_before', workspace: 'ws_1', at: 1001 },
    { by: 'leaver', creator: 'mem_1', workflow: 'ws_1/nightly' },
  ] as const;

  it.each(selections)('by $by takes what was there', (of) => {
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('yes', 50, 60))).toBe('stale (end_all)');
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('no', 50, 60))).toBe('fine');
  });

  it.each(selections)('by $by may take or leave what was made beside it', (of) => {
    const beside = { ...token, mintStartedAt: 35, mintEndedAt: 45 };
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('yes', 50, 60), beside)).toBe('fine');
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('no', 50, 60), beside)).toBe('fine');
  });

  it.each(selections)('by $by leaves what was made later', (of) => {
    const later = { ...token, mintStartedAt: 41, mintEndedAt: 45 };
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('yes', 50, 60), later)).toBe('fine');
    expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('no', 50, 60), later)).toBe('false no');
  });

  it('leaves what is not meant', () => {
    const others = [
      { by: 'workspace', workspace: 'ws_2' },
      { by: 'workflow', workflow: 'ws_2/nightly' },
      { by: 'creator', creator: 'mem_2' },
      { by: 'lineage', lineage: 'tok_2' },
      { by: 'issued_before', workspace: 'ws_1', at: 1000 },
      { by: 'issued_before', workspace: 'ws_2', at: 2000 },
    ] as const;
    for (const of of others) {
      expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('yes', 50, 60))).toBe('fine');
      expect(verdict([act({ does: 'end_all', of }, 30, 40)], ask('no', 50, 60))).toBe('false no');
    }
  });

  it('by the removal of a creator takes what was made beside it too', () => {
    const beside = { ...token, mintStartedAt: 35, mintEndedAt: 45 };
    const removal = act({ does: 'remove', creator: 'mem_1' }, 30, 40);
    expect(verdict([removal], ask('yes', 50, 60), beside)).toBe('stale (remove)');
    expect(verdict([removal], ask('no', 50, 60), beside)).toBe('fine');
  });
});

describe('a switch', () => {
  const off = act(OFF, 30, 40);
  const on = act(ON, 70, 80);
  it.each([
    ['a yes while it was off', 'yes', [50, 60], 'stale (off)'],
    ['a yes that began while it went off', 'yes', [35, 60], 'fine'],
    ['a yes that ended while it went on', 'yes', [50, 75], 'fine'],
    ['a yes after it went on', 'yes', [85, 90], 'fine'],
    ['a no while it was off', 'no', [50, 60], 'fine'],
    ['a no that began before it was on', 'no', [79, 90], 'fine'],
    ['a no after it went on', 'no', [85, 90], 'false no'],
    ['a no before it went off', 'no', [20, 29], 'false no'],
    ['a no that ended while it went off', 'no', [20, 31], 'fine'],
  ] as const)('%s', (_, answer, [asked, answered], expected) => {
    expect(verdict([off, on], ask(answer, asked, answered))).toBe(expected);
  });

  it('that was moved both ways at once may be either way', () => {
    const both = [act(OFF, 30, 40), act(ON, 35, 45)];
    expect(verdict(both, ask('yes', 50, 60))).toBe('fine');
    expect(verdict(both, ask('no', 50, 60))).toBe('fine');
  });

  it('is not known after an answer was lost, until a later one the other way cannot come', () => {
    expect(verdict([act(OFF, 30, 40, 'unknown')], ask('yes', 50, 60))).toBe('fine');
    expect(verdict([act(OFF, 30, 40, 'unknown')], ask('no', 50, 60))).toBe('fine');
    expect(verdict([act(OFF, 30, 40, 'unknown'), act(ON, 42, 45)], ask('no', 50, 60))).toBe('fine');
    expect(verdict([off, act(ON, 41, 42, 'unknown')], ask('yes', 50, 60))).toBe('fine');
    expect(verdict([act(ON, 20, 25, 'unknown'), off], ask('yes', 50, 60))).toBe('fine');
  });

  it('that is put off twice is off from the first time', () => {
    expect(verdict([off, act(OFF, 45, 65)], ask('yes', 50, 60))).toBe('stale (off)');
  });

  it('of the creator counts like that of the workflow', () => {
    expect(verdict([act({ does: 'off', of: 'mem_1' }, 30, 40)], ask('yes', 50, 60))).toBe('stale (off)');
    expect(verdict([act({ does: 'off', of: 'mem_2' }, 30, 40)], ask('no', 50, 60))).toBe('false no');
  });
});

it('does not judge a no to a question that was asked before the token was there', () => {
  expect(verdict([], ask('no', 5, 20))).toBe('fine');
});

/** Events of a world that is right: each takes effect at one instant between its start and its end. */
const anyEvent = fc.record({
  what: fc.constantFrom(
    'ask',
    'ask',
    'ask',
    'end',
    'off',
    'on',
    'off_creator',
    'on_creator',

    'end_all',
    'remove',
  ),
  at: fc.integer({ min: 1, max: 1000 }),
  before: fc.nat(60),
  after: fc.nat(60),
  isLost: fc.integer({ min: 0, max: 5 }).map((draw) => draw === 0),
  hasHappened: fc.boolean(),
});
type AnyEvent = typeof anyEvent extends fc.Arbitrary<infer T> ? T : never;

const EFFECTS: Readonly<Record<string, Effect>> = {
  end: END,
  off: OFF,
  on: ON,
  off_creator: { does: 'off', of: 'mem_1' },
  on_creator: { does: 'on', of: 'mem_1' },
  end_all: { does: 'end_all', of: { by: 'workflow', workflow: 'ws_1/nightly' } },
  remove: { does: 'remove', creator: 'mem_1' },
};

/** The history of a right world, in which the answers hold at the instants at which the events took effect. */
function historyOf(events: readonly AnyEvent[], isTold: (truth: boolean) => boolean = (truth) => truth): History {
  const inOrder = events.map((event, index) => ({ ...event, at: event.at * 1000 + index })).sort((a, b) => a.at - b.at);
  const acts: Act[] = [];
  const questions: Question[] = [];
  let isEnded = false;
  const isOff = { 'ws_1/nightly': false, mem_1: false };
  for (const event of inOrder) {
    const startedAt = event.at - event.before * 1000 - 0.5;
    const endedAt = event.at + event.after * 1000 + 0.5;
    const effect = EFFECTS[event.what];
    if (effect === undefined) {
      const isGood = !isEnded && !isOff['ws_1/nightly'] && !isOff.mem_1;
      questions.push(ask(isTold(isGood) ? 'yes' : 'no', startedAt, endedAt));
      continue;
    }
    acts.push(act(effect, startedAt, endedAt, event.isLost ? 'unknown' : 'done'));
    if (event.isLost && !event.hasHappened) continue;
    if (effect.does === 'off' || effect.does === 'on') {
      if (effect.of === 'mem_1' || effect.of === 'ws_1/nightly') isOff[effect.of] = effect.does === 'off';
    } else isEnded = true;
  }
  const old = { ...token, mintStartedAt: -1_000_000, mintEndedAt: -900_000 };
  return { tokens: [old], acts, questions };
}

it('finds nothing in a world that is right, however its events overlap', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), (events) => {
      expect(check(historyOf(events))).toEqual({ stale: [], falseNoes: [] });
    }),
    { numRuns: 2000 },
  );
});

it('finds every wrong answer where nothing overlaps and nothing was lost', () => {
  fc.assert(
    fc.property(fc.uniqueArray(anyEvent, { maxLength: 30, selector: (event) => event.at }), (events) => {
      const apart = events.map((event) => ({ ...event, before: 0, after: 0, isLost: false }));
      const history = historyOf(apart, (truth) => !truth);
      const { stale, falseNoes } = check(history);
      expect(stale.length + falseNoes.length).toBe(history.questions.length);
      expect(stale.every(({ question }) => question.answer === 'yes')).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
