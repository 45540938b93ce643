import { styleText } from 'node:util';
import { TOKEN_FORM } from '../src/rules/format.js';
import { StepFailed } from './step-failed.js';

type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red';

const LAST_COLUMN = 100;
// Before the program, a flag, or a redirection; a flag stays with its values.
const COMMAND_BREAK = / (?=--|[<>]|countersign )/;
const MOST_LINES = 24;

/** Tells the story on standard output, and keeps what was told so that it can be searched for tokens. */
export interface Narrator {
  /** All that was told so far, without colour. */
  readonly transcript: string;
  title(text: string): void;
  /** Opens the next numbered step. */
  step(title: string, why: string): void;
  /** A command as a user would type it, broken into lines where it is long. */
  command(text: string): void;
  /** The part of a command's output that matters. Throws {@link StepFailed} rather than show a token. */
  output(text: string): void;
  say(text: string): void;
  verified(text: string): void;
  failed(text: string, evidence: string): void;
  /** Nothing more is told: the reader has left or wants to. */
  silence(): void;
}

/** Makes a narrator. Colour is for terminals; `NO_COLOR` and `FORCE_COLOR` are honoured. */
export function makeNarrator(stdout: NodeJS.WriteStream): Narrator {
  let transcript = '';
  let steps = 0;
  let isSilent = false;

  function tell(text: string, style?: Style): void {
    if (isSilent) return;
    transcript += `${text}\n`;
    stdout.write(`${style && text !== '' ? styleText(style, text, { stream: stdout }) : text}\n`);
  }

  return {
    get transcript() {
      return transcript;
    },
    title: (text) => tell(text, 'bold'),
    step: (title, why) => {
      steps += 1;
      tell('');
      tell(`${steps}. ${title}`, 'bold');
      for (const line of wrapped(why.split(' '), LAST_COLUMN - 3)) tell(`   ${line}`, 'dim');
    },
    command: (text) => {
      const [first = '', ...rest] = wrapped(text.split(COMMAND_BREAK), LAST_COLUMN - 12);
      const lines = [`   $ ${first}`, ...rest.map((line) => `       ${line}`)];
      tell(lines.join(' \\\n'), 'cyan');
    },
    output: (text) => {
      if (text.search(TOKEN_FORM) >= 0) throw new StepFailed('a command printed a whole token');
      const lines = text.trimEnd().split('\n');
      for (const line of lines.slice(0, MOST_LINES)) tell(`     ${line}`);
      if (lines.length > MOST_LINES) tell(`     … and ${lines.length - MOST_LINES} lines more`, 'dim');
    },
    say: (text) => {
      for (const line of wrapped(text.split(' '), LAST_COLUMN - 3)) tell(`   ${line}`);
    },
    verified: (text) => {
      for (const [at, line] of wrapped(text.split(' '), LAST_COLUMN - 5).entries())
        tell(`   ${at === 0 ? '✓' : ' '} ${line}`, 'green');
    },
    failed: (text, evidence) => {
      tell(`   ✗ ${text}`, 'red');
      const lines = evidence
        .replace(TOKEN_FORM, '[token]')
        .split('\n')
        .filter((line) => line !== '');
      for (const line of lines.slice(-MOST_LINES)) tell(`     ${line}`);
    },
    silence: () => {
      isSilent = true;
    },
  };
}

/** Joins words into lines of so many characters at most; a longer word stays whole. */
function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
