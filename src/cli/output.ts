export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

/** What a text is laid out for. `width` is in columns. */
export interface View {
  readonly isTerminal: boolean;
  readonly width: number;
  readonly hasColour: boolean;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const CODES: Record<Colour, readonly [number, number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  dim: [2, 22],
  bold: [1, 22],
};
const DEFAULT_WIDTH = 80;

/** Writes data: a line on standard output. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes one JSON document on standard output: indented for a person at a terminal, one line elsewhere. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, process.stdout.isTTY ? 2 : 0));
}

/** Writes to the person: a line on standard error. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What standard output is laid out for. */
export function outputView(): View {
  return viewOf(process.stdout, process.env);
}

/** What standard error is laid out for. */
export function messageView(): View {
  return viewOf(process.stderr, process.env);
}

/** Decides on layout and colour. `NO_COLOR` beats `FORCE_COLOR`, which beats what the stream is. */
export function viewOf(stream: Stream, env: Readonly<Record<string, string | undefined>>): View {
  const isTerminal = stream.isTTY === true;
  return { isTerminal, width: stream.columns ?? DEFAULT_WIDTH, hasColour: hasColour(isTerminal, env) };
}

function hasColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  if (env['NO_COLOR']) return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  return isTerminal && env['TERM'] !== 'dumb';
}

/** Colours a text where the view has colour. */
export function paint(text: string, colour: Colour | undefined, view: View): string {
  if (colour === undefined || !view.hasColour || text === '') return text;
  const [on, off] = CODES[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** Whether there is a person to ask: a terminal on both ends, and no CI. */
export function isInteractive(): boolean {
  const ci = process.env['CI'];
  const isCi = ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0';
  return process.stdin.isTTY === true && process.stderr.isTTY === true && !isCi;
}
