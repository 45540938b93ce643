import { maskText } from './mask.js';

const MAX_LENGTH = 4096;

/** The command as the check puts it on record: its words joined, on one line, without the secrets and anything of token
 *  form, at most 4096 UTF-16 units and never half a character. */
export function commandText(command: readonly string[], ...secrets: readonly string[]): string {
  const text = oneLine(maskText(command.join(' '), ...secrets));
  if (text.length <= MAX_LENGTH) return text;
  const cut = text.slice(0, MAX_LENGTH);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}

/** A text without control characters and lone surrogates, so that it fits one line and steers no terminal. */
export function oneLine(text: string): string {
  return text.toWellFormed().replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');
}
