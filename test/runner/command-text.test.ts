import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandText } from '../../src/runner/command-text.js';
import { line } from '../../src/wire/primitives.js';
import { TOKEN } from './scripted-service.js';

test('whatever the command is, the service takes its text', () => {
  const word = fc.string({ unit: 'binary', maxLength: 3000 });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (command) => {
      expect(line(4096).safeParse(commandText(command, TOKEN)).success).toBe(true);
    }),
  );
}, 90_000);

test('a character that would be cut in half is left out', () => {
  expect(commandText([`${'a'.repeat(4095)}😀`], TOKEN)).toBe('a'.repeat(4095));
});

test('a token in the command is masked, also where the text is cut', () => {
  expect(commandText(['curl', '-H', `Authorization: Bearer ${TOKEN}`], TOKEN)).toBe(
    `curl -H Authorization: Bearer ${TOKEN.slice(0, 27)}***`,
  );
  expect(commandText(['x'.repeat(4050), TOKEN], TOKEN)).not.toContain(TOKEN.slice(27, 40));
});
