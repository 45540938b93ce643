// C0 and C1 controls, DEL, line and paragraph separators, and the marks that reorder or hide what stands around them.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Makes a text from elsewhere safe to show to a person: nothing in it can move the cursor, change colours, reorder the
 *  line or end it. What cannot be printed is shown as an escape (`\x1b`, `\u202e`). */
export function printable(text: string): string {
  return text.toWellFormed().replace(UNPRINTABLE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
