import { createInterface } from 'node:readline/promises';
import { isInteractive } from './output.js';
import { UsageError } from './usage-error.js';

/** Asks the person to type a word before something that cannot be taken back. Anything else is a no. Where there is
 *  nobody to ask it refuses, naming the flag that says yes. */
export async function confirm(question: string, word: string): Promise<boolean> {
  if (!isInteractive()) throw new UsageError('there is no terminal to ask at: give --yes to go ahead');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await new Promise<string>((resolve) => {
      lines.once('close', () => resolve(''));
      lines.question(`${question}\nType ${word} to go ahead: `).then(resolve, () => resolve(''));
    });
    return answer.trim() === word;
  } finally {
    lines.close();
  }
}
