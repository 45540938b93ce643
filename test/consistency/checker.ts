import type { Act, History, Question, Selection, Tick, TokenRecord } from './history.js';

/** An answer that no order of the events explains. */
export interface Fault {
  readonly question: Question;
  /** What had ended the token, for a yes; for a no, that nothing had. */
  readonly because: string;
}

export interface Verdict {
  /** Yeses to questions that were asked after the end was confirmed, or while a switch was certainly off. */
  readonly stale: readonly Fault[];
  /** Noes to questions about tokens that were certainly on all the time. */
  readonly falseNoes: readonly Fault[];
}

/** Holds the answers of a history against its acts. An act whose answer was lost proves nothing, and excuses a no from its
 *  start on; a question without an answer is never wrong. */
export function check(history: History): Verdict {
  const tokens = new Map(history.tokens.map((token) => [token.id, token]));
  const acts = sortOut(history.acts);
  const lives = new Map<string, Life>();
  const lifeOf = (token: TokenRecord): Life => {
    const known = lives.get(token.id);
    if (known) return known;
    const fresh = lifeFrom(token, acts);
    lives.set(token.id, fresh);
    return fresh;
  };
  const stale: Fault[] = [];
  const falseNoes: Fault[] = [];
  for (const question of history.questions) {
    const token = tokens.get(question.token);
    if (token === undefined) throw new Error('a question about a token that was never made');
    const because = question.answer === 'yes' ? whyOff(lifeOf(token), question) : undefined;
    if (because !== undefined) stale.push({ question, because });
    if (question.answer === 'no' && isOn(token, lifeOf(token), question)) {
      falseNoes.push({ question, because: 'nothing had ended it' });
    }
  }
  return { stale, falseNoes };
}

/** The acts that may have had an effect, by what they are about. */
interface SortedActs {
  readonly ofToken: ReadonlyMap<string, readonly Act[]>;
  readonly ofMany: readonly Act[];
  readonly ofSwitch: ReadonlyMap<string, readonly Act[]>;
}

function sortOut(acts: readonly Act[]): SortedActs {
  const ofToken = new Map<string, Act[]>();
  const ofSwitch = new Map<string, Act[]>();
  const ofMany: Act[] = [];
  for (const act of acts) {
    if (act.outcome === 'refused') continue;
    const { effect } = act;
    if (effect.does === 'end') add(ofToken, effect.token, act);
    else if (effect.does === 'end_all' || effect.does === 'remove') ofMany.push(act);
    else add(ofSwitch, effect.of, act);
  }
  return { ofToken, ofMany, ofSwitch };
}

function add(map: Map<string, Act[]>, key: string, act: Act): void {
  const list = map.get(key);
  if (list) list.push(act);
  else map.set(key, [act]);
}

/** All that decides about one token. */
interface Life {
  /** The first end that is certain. */
  readonly end: Act | undefined;
  /** From here on it may have ended. */
  readonly maybeEndedFrom: Tick;
  readonly switches: readonly (readonly Act[])[];
}

function lifeFrom(token: TokenRecord, acts: SortedActs): Life {
  const own = acts.ofToken.get(token.id) ?? [];
  const certain = [...own, ...acts.ofMany.filter((act) => takesSurely(act, token))].filter(isDone);
  const possible = [...own, ...acts.ofMany.filter((act) => mayTake(act, token))];
  return {
    end: certain.reduce<Act | undefined>(
      (first, act) => (first && first.endedAt < act.endedAt ? first : act),
      undefined,
    ),
    maybeEndedFrom: Math.min(Number.POSITIVE_INFINITY, ...possible.map((act) => act.startedAt)),
    switches: [token.workflow, token.creator, token.policy ?? ''].map((key) => acts.ofSwitch.get(key) ?? []),
  };
}

/** What was surely off during the whole question, if anything was. */
function whyOff(life: Life, question: Question): string | undefined {
  if (life.end !== undefined && life.end.endedAt < question.startedAt) return life.end.kind;
  return life.switches.map((acts) => surely('off', acts, question)?.kind).find((kind) => kind !== undefined);
}

/** Whether a token was there and surely good during the whole question. */
function isOn(token: TokenRecord, life: Life, question: Question): boolean {
  if (question.startedAt < token.mintEndedAt || life.maybeEndedFrom < question.endedAt) return false;
  return life.switches.every(
    (acts) => acts.every((act) => act.startedAt > question.endedAt) || surely('on', acts, question) !== undefined,
  );
}

/** The act that put a switch this way for the whole question: confirmed before it, with each act the other way either
 *  confirmed before that one began, or begun after the question. Of those confirmed the one that began last excludes the
 *  fewest. */
function surely(position: 'on' | 'off', acts: readonly Act[], question: Question): Act | undefined {
  let last: Act | undefined;
  for (const act of acts) {
    if (act.effect.does !== position || endOf(act) > question.startedAt) continue;
    if (last === undefined || act.startedAt > last.startedAt) last = act;
  }
  if (last === undefined) return undefined;
  const since = last.startedAt;
  const isMoved = acts.some(
    (act) => act.effect.does !== position && endOf(act) > since && act.startedAt < question.endedAt,
  );
  return isMoved ? undefined : last;
}

function takesSurely(act: Act, token: TokenRecord): boolean {
  if (act.effect.does === 'remove') return act.effect.creator === token.creator;
  return isSelected(act, token) && token.mintEndedAt < act.startedAt;
}

function mayTake(act: Act, token: TokenRecord): boolean {
  if (act.effect.does === 'remove') return act.effect.creator === token.creator;
  return isSelected(act, token) && token.mintStartedAt < endOf(act);
}

function isSelected({ effect }: Act, token: TokenRecord): boolean {
  return effect.does === 'end_all' && isOf(effect.of, token);
}

function isOf(selection: Selection, token: TokenRecord): boolean {
  switch (selection.by) {
    case 'workspace':
      return token.workspace === selection.workspace;
    case 'workflow':
      return token.workflow === selection.workflow;
    case 'creator':
      return token.creator === selection.creator;
    case 'lineage':
      return token.lineage === selection.lineage;
    case 'leaver':
      return token.creator === selection.creator && token.workflow === selection.workflow;
    case 'issued_before':
      return token.workspace === selection.workspace && token.createdAt < selection.at;
  }
}

function isDone(act: Act): boolean {
  return act.outcome === 'done';
}

/** An act whose answer was lost may happen at any time from its start on. */
function endOf(act: Act): Tick {
  return isDone(act) ? act.endedAt : Number.POSITIVE_INFINITY;
}
