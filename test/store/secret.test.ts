import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { newId, newTokenSecret } from '../../src/rules/format.js';
import { createSecrets, HashQueueFullError } from '../../src/store/secret.js';

const pepper = { kid: 'p1', key: randomBytes(32) };
const id = newId('tok', new Date());

it('hashes with argon2id at the cost that OWASP asks for', async () => {
  const secrets = createSecrets([pepper]);
  const tokenSecret = newTokenSecret();
  const verifier = await secrets.hash(tokenSecret);
  expect(verifier).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(await secrets.verify(verifier, tokenSecret)).toBe(true);
  expect(await secrets.verify(verifier, newTokenSecret())).toBe(false);
});

it('binds a digest to the token, its secret and the pepper', () => {
  const secrets = createSecrets([pepper, { kid: 'p0', key: randomBytes(32) }]);
  const tokenSecret = newTokenSecret();
  const stored = secrets.digest(id, tokenSecret);
  expect(stored.pepperKid).toBe('p1');
  expect(secrets.compare(id, tokenSecret, stored)).toBe('match');
  expect(secrets.compare(id, newTokenSecret(), stored)).toBe('mismatch');
  expect(secrets.compare(newId('tok', new Date()), tokenSecret, stored)).toBe('mismatch');
  expect(secrets.compare(id, tokenSecret, { ...stored, pepperKid: 'p0' })).toBe('mismatch');
  expect(secrets.compare(id, tokenSecret, { ...stored, pepperKid: 'gone' })).toBe('unknown_pepper');
});

it('lets a bounded number of hashes wait, and takes more as soon as those are done', async () => {
  const secrets = createSecrets([pepper], { memoryCost: 1024, timeCost: 2 });
  const results = await Promise.allSettled(Array.from({ length: 90 }, () => secrets.hash(newTokenSecret())));
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused).toHaveLength(24);
  expect(refused.every(({ reason }) => reason instanceof HashQueueFullError)).toBe(true);
  expect(secrets.queueLength()).toBe(0);
  await expect(secrets.hash(newTokenSecret())).resolves.toMatch(/^\$argon2id\$/);
});

it('hashes a batch in its order, a few at a time, so that what comes meanwhile gets in between', async () => {
  const secrets = createSecrets([pepper], { memoryCost: 1024, timeCost: 2 });
  const batch = Array.from({ length: 100 }, () => newTokenSecret());
  const order: string[] = [];
  const hashing = secrets.hashAll(batch, new AbortController().signal).then((verifiers) => {
    order.push('batch');
    return verifiers;
  });
  expect(secrets.queueLength()).toBe(2);
  await Promise.all(Array.from({ length: 20 }, () => secrets.hash(newTokenSecret()).then(() => order.push('single'))));
  const verifiers = await hashing;
  expect(order.at(-1)).toBe('batch');
  const right = verifiers.slice(0, 20).map((verifier, at) => secrets.verify(verifier, batch[at] ?? newTokenSecret()));
  expect(await Promise.all(right)).toEqual(right.map(() => true));
  expect(verifiers).toHaveLength(100);
});

it('stops a batch when it is told to, and takes no more than eight at once', async () => {
  const secrets = createSecrets([pepper], { memoryCost: 1024, timeCost: 2 });
  const batch = Array.from({ length: 40 }, () => newTokenSecret());
  const gone = new AbortController();
  const hashing = Array.from({ length: 8 }, () => secrets.hashAll(batch, gone.signal));
  await expect(secrets.hashAll(batch, gone.signal)).rejects.toThrow(HashQueueFullError);
  gone.abort(new Error('went away'));
  const ends = await Promise.allSettled(hashing);
  expect(ends.map((end) => end.status === 'rejected' && end.reason.message)).toEqual(ends.map(() => 'went away'));
  expect(secrets.queueLength()).toBe(0);
  await expect(secrets.hashAll([], new AbortController().signal)).resolves.toEqual([]);
});
