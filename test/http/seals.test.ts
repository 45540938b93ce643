import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSeals } from '../../src/http/seals.js';
import { addSeconds } from '../../src/rules/lifetime.js';

const NOW = new Date('2026-03-01T12:00:00Z');
const key = randomBytes(32);
const seals = createSeals([key]);
const sealed = () => seals.seal('sign-in', { nonce: 'n-1' }, addSeconds(NOW, 600));

describe('a sealed text', () => {
  test('opens for what it was sealed for, until it expires', async () => {
    const text = await sealed();
    expect(await seals.open('sign-in', text, NOW)).toMatchObject({ nonce: 'n-1' });
    expect(await seals.open('sign-in', text, addSeconds(NOW, 599))).toBeDefined();
    expect(await seals.open('sign-in', text, addSeconds(NOW, 600))).toBeUndefined();
    expect(await seals.open('passkey', text, NOW)).toBeUndefined();
  });

  test('shows nothing of what is in it', async () => {
    const text = await sealed();
    expect(
      text
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString('latin1'))
        .join(),
    ).not.toContain('n-1');
  });

  test('opens on another node, and under an older key, and nowhere else', async () => {
    const text = await sealed();
    expect(await createSeals([key]).open('sign-in', text, NOW)).toBeDefined();
    expect(await createSeals([randomBytes(32), key]).open('sign-in', text, NOW)).toBeDefined();
    expect(await createSeals([randomBytes(32)]).open('sign-in', text, NOW)).toBeUndefined();
  });

  test('opens no more once a character is another', async () => {
    const text = await sealed();
    const tampered = text.slice(0, -2) + (text.endsWith('AA') ? 'BB' : 'AA');
    expect(await seals.open('sign-in', tampered, NOW)).toBeUndefined();
    expect(await seals.open('sign-in', '', NOW)).toBeUndefined();
  });
});

describe('the token of a form', () => {
  test('is good for its session alone', () => {
    const token = seals.formToken('one');
    expect(seals.isFormToken('one', token)).toBe(true);
    expect(seals.isFormToken('two', token)).toBe(false);
    expect(seals.isFormToken('one', '')).toBe(false);
    expect(createSeals([randomBytes(32)]).isFormToken('one', token)).toBe(false);
    expect(createSeals([randomBytes(32), key]).isFormToken('one', token)).toBe(true);
  });
});
