/** A place in the order in which the driver saw things happen. Two events never share one. */
export type Tick = number;

export const QUESTION_KINDS = ['introspect', 'exec_check', 'call'] as const;
/** `call` is any request that a token was the credential of: an answer other than 401 says that it was taken for live. */
export type QuestionKind = (typeof QUESTION_KINDS)[number];

/** `unknown`: 503, a broken connection, or an answer that says nothing of the token. */
export type Answer = 'yes' | 'no' | 'unknown';

/** Whether a token is good: asked at one place in the order, answered at another. */
export interface Question {
  readonly kind: QuestionKind;
  readonly token: string;
  readonly node: string;
  readonly startedAt: Tick;
  readonly endedAt: Tick;
  readonly answer: Answer;
}

/** What a token hangs on. It was made somewhere between the two ticks. */
export interface TokenRecord {
  readonly id: string;
  readonly workspace: string;
  readonly workflow: string;
  readonly creator: string;
  readonly lineage: string;
  /** The switch of the policy that may hold it back; none for what people sign in with. */
  readonly policy?: string;
  /** Milliseconds since the epoch, by the service's clock. */
  readonly createdAt: number;
  readonly mintStartedAt: Tick;
  readonly mintEndedAt: Tick;
}

/** The tokens that an end takes with it: those that were there when it happened. */
export type Selection =
  | { readonly by: 'workspace'; readonly workspace: string }
  | { readonly by: 'workflow'; readonly workflow: string }
  | { readonly by: 'creator'; readonly creator: string }
  | { readonly by: 'lineage'; readonly lineage: string }
  | { readonly by: 'leaver'; readonly creator: string; readonly workflow: string }
  | { readonly by: 'issued_before'; readonly workspace: string; readonly at: number };

/** `off` and `on` move a switch that all tokens of a workflow or a creator hang on, or all that a
 *  policy speaks of. `remove` ends a creator's tokens,
 *  whenever they were made. */
export type Effect =
  | { readonly does: 'end'; readonly token: string }
  | { readonly does: 'end_all'; readonly of: Selection }
  | { readonly does: 'remove'; readonly creator: string }
  | { readonly does: 'off' | 'on'; readonly of: string };

/** `unknown`: the answer was lost, so it may have happened, or happen yet. */
export type Outcome = 'done' | 'refused' | 'unknown';

/** A change that decides about tokens. It took effect somewhere between the two ticks, if it did. */
export interface Act {
  readonly kind: string;
  readonly effect: Effect;
  readonly startedAt: Tick;
  readonly endedAt: Tick;
  readonly outcome: Outcome;
}

export interface History {
  readonly tokens: readonly TokenRecord[];
  readonly questions: readonly Question[];
  readonly acts: readonly Act[];
}

/** Writes a history down while it happens. */
export interface Recorder extends History {
  /** The next place in the order. Taken before a request is sent, and after its answer was read. */
  tick(): Tick;
  token(record: TokenRecord): void;
  question(question: Question): void;
  act(act: Act): void;
}

/** A history to be written. The driver is one thread, so that counting is its clock. */
export function createRecorder(): Recorder {
  const tokens: TokenRecord[] = [];
  const questions: Question[] = [];
  const acts: Act[] = [];
  let now = 0;
  return {
    tokens,
    questions,
    acts,
    tick: () => {
      now += 1;
      return now;
    },
    token: (record) => tokens.push(record),
    question: (question) => questions.push(question),
    act: (act) => acts.push(act),
  };
}
