import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { callerNetwork } from '../../src/http/address.js';
import { normalUri } from '../../src/http/dpop.js';
import { readProof } from '../../src/http/dpop-proof.js';
import { createNonces } from '../../src/http/nonces.js';

const NOW = new Date('2026-03-02T09:00:00Z');
const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

describe('a nonce', () => {
  const [old, current] = [randomBytes(32), randomBytes(32)];

  test('is the same for a minute, and taken for five', () => {
    const nonces = createNonces([current]);
    const nonce = nonces.current(NOW);
    expect(nonces.current(later(59))).toBe(nonce);
    expect(nonces.current(later(60))).not.toBe(nonce);
    const taken = [-11, -10, 0, 300, 301].map((seconds) => nonces.isCurrent(nonce, later(seconds)));
    expect(taken).toEqual([false, true, true, true, false]);
  });

  test('is taken by every node that has its key among others, as while the pepper is rotated', () => {
    const nonce = createNonces([old]).current(NOW);
    expect(createNonces([current, old]).isCurrent(nonce, NOW)).toBe(true);
    expect(createNonces([current]).isCurrent(nonce, NOW)).toBe(false);
  });

  test('cannot be made of another', () => {
    const nonces = createNonces([current]);
    const nonce = nonces.current(NOW);
    fc.assert(
      fc.property(fc.nat(nonce.length - 1), fc.constantFrom(...'abzAZ09_-'), (at, letter) => {
        const made = nonce.slice(0, at) + letter + nonce.slice(at + 1);
        // Of the last character two bits say nothing.
        if (made !== nonce && at < nonce.length - 1) expect(nonces.isCurrent(made, NOW)).toBe(false);
      }),
    );
  });
});

describe('reading a proof', () => {
  const noise = fc.oneof(
    fc.string({ maxLength: 300 }),
    fc
      .array(
        fc.json().map((text) => Buffer.from(text).toString('base64url')),
        { minLength: 3, maxLength: 3 },
      )
      .map((parts) => parts.join('.')),
  );

  test('never throws, and finds none in noise', async () => {
    await fc.assert(
      fc.asyncProperty(noise, async (text) => {
        expect(await readProof(text, NOW)).toBeUndefined();
      }),
    );
  });
});

describe('the form in which URIs are compared (RFC 3986 section 6.2)', () => {
  test.each([
    ['HTTPS://Example.COM:443/a/../b/%7euser?q#f', 'https://example.com/b/~user'],
    ['http://example.com', 'http://example.com/'],
    ['http://example.com:80/%2f%3A', 'http://example.com/%2F%3A'],
    ['https://example.com//a', 'https://example.com//a'],
    ['http://[::1]:8787/v1', 'http://[::1]:8787/v1'],
  ])('%s is %s', (text, normal) => {
    expect(normalUri(text)).toBe(normal);
    expect(normalUri(normal)).toBe(normal);
  });

  test.each(['', '/v1/me', 'ftp://example.com/', 'https://user:pass@example.com/', 'javascript:alert(1)'])(
    '%j is none',
    (text) => {
      expect(normalUri(text)).toBeUndefined();
    },
  );
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8::1', '2001:db8:0:0'],
  ['2001:0DB8:0:0:ffff::1', '2001:db8:0:0'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  [undefined, 'unknown'],
])('callers are counted by network: %s as %s', (address, network) => {
  expect(callerNetwork(address)).toBe(network);
});
