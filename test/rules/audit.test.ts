import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brokenLink, canonicalJson, eventHash, GENESIS_HASH } from '../../src/rules/audit.js';

const anyJson = fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 });

describe('the canonical form (RFC 8785)', () => {
  test('agrees with another implementation on any JSON', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(canonicalJson(value)).toBe(canonicalize(value));
      }),
      { numRuns: 2000 },
    );
  });

  test('means the same value as before', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('does not depend on the order of members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), anyJson), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
      }),
    );
  });

  test("prints the RFC's own example (section 3.2.2)", () => {
    const value = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('sorts members by UTF-16 code units (section 3.2.3)', () => {
    const sorted = ['\r', '1', '\u0080', '\u00f6', '\u20ac', '\u{1f600}', '\ufb33'];
    const value = Object.fromEntries(sorted.toReversed().map((key) => [key, 0]));
    expect(canonicalJson(value)).toBe(`{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(',')}}`);
  });

  test('takes a member named __proto__ for what it is', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":{"a":1},"constructor":2}'))).toBe(
      '{"__proto__":{"a":1},"constructor":2}',
    );
  });

  test.each([
    ['a lone surrogate', '\ud800'],
    ['one in a name', { '\udc00': 1 }],
    ['NaN', Number.NaN],
    ['infinity', -Infinity],
    ['a bigint', 1n],
    ['undefined', undefined],
    ['a hole', [undefined]],
  ])('refuses %s', (_, value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

type Event = { seq: number; prev_hash: string; hash: string; [member: string]: unknown };

const anyContent = fc.record({
  id: fc.uuid(),
  action: fc.constantFrom('token.minted', 'token.revoked'),
  at: fc.date({ noInvalidDate: true }).map((at) => at.toISOString()),
  ip: fc.option(fc.ipV4()),
  data: fc.dictionary(fc.string(), anyJson, { maxKeys: 3 }),
});

/** A chain of at least two events, as the service writes one. */
const anyChain = fc.array(anyContent, { minLength: 2, maxLength: 6 }).map((contents) => {
  const chain: Event[] = [];
  for (const content of contents)
    chain.push(sealed({ ...content, seq: chain.length + 1, prev_hash: chain.at(-1)?.hash ?? GENESIS_HASH }));
  return chain;
});

function sealed(event: { seq: number; prev_hash: string; [member: string]: unknown }): Event {
  return { ...event, hash: eventHash(event) };
}

/** The seq of the first link that does not hold. */
function firstBroken(chain: readonly Event[]): number | undefined {
  return chain.map((event, at) => brokenLink(chain[at - 1], event)?.seq).find((seq) => seq !== undefined);
}

describe('the chain of events', () => {
  test('holds as it was written', () => {
    fc.assert(
      fc.property(anyChain, (chain) => {
        expect(firstBroken(chain)).toBeUndefined();
      }),
    );
  });

  test('shows each single changed member at its event', () => {
    const members = ['id', 'action', 'at', 'ip', 'data', 'prev_hash', 'hash', 'new member', '__proto__'];
    // A seq is a number, as whoever reads an event makes sure of first.
    const anyChange = fc.oneof(
      { weight: 9, arbitrary: fc.tuple(fc.constantFrom(...members), anyJson) },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.constant('seq'),
          fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })),
        ),
      },
    );
    fc.assert(
      fc.property(anyChain, fc.nat(5), anyChange, (chain, position, [member, value]) => {
        const at = position % chain.length;
        const changed = { ...chain[at], ...JSON.parse(`{${JSON.stringify(member)}:${JSON.stringify(value)}}`) };
        fc.pre(canonicalJson(changed) !== canonicalJson(chain[at]));
        expect(firstBroken(chain.with(at, changed))).toBe(at + 1);
      }),
      { numRuns: 1000 },
    );
  });

  test('shows each removed member at its event', () => {
    fc.assert(
      fc.property(
        anyChain,
        fc.nat(5),
        fc.constantFrom('id', 'action', 'at', 'ip', 'data'),
        (chain, position, member) => {
          const at = position % chain.length;
          const { [member]: _, ...rest } = chain[at] as Event;
          expect(firstBroken(chain.with(at, rest as Event))).toBe(at + 1);
        },
      ),
    );
  });

  test('shows an event that was taken out, doubled or moved', () => {
    fc.assert(
      fc.property(anyChain, fc.nat(5), (chain, position) => {
        const at = position % (chain.length - 1);
        expect(firstBroken(chain.toSpliced(at, 1))).toBe(at + 1);
        expect(firstBroken(chain.toSpliced(at, 0, chain[at] as Event))).toBe(at + 2);
        const swapped = [...chain.slice(0, at), chain[at + 1], chain[at], ...chain.slice(at + 2)] as Event[];
        expect(firstBroken(swapped)).toBe(at + 1);
      }),
    );
  });

  test('shows an event that was forged and hashed anew at the event after it', () => {
    fc.assert(
      fc.property(anyChain, fc.nat(5), (chain, position) => {
        const at = position % (chain.length - 1);
        const forged = sealed({ ...(chain[at] as Event), action: 'token.forged' });
        expect(firstBroken(chain.with(at, forged))).toBe(at + 2);
      }),
    );
  });

  test('starts at 1 after 64 zeros', () => {
    expect(GENESIS_HASH).toBe('0'.repeat(64));
    expect(brokenLink(undefined, sealed({ seq: 2, prev_hash: GENESIS_HASH }))?.seq).toBe(1);
    expect(brokenLink(undefined, sealed({ seq: 1, prev_hash: 'f'.repeat(64) }))?.seq).toBe(1);
  });

  test('anyone can recompute a hash from the event as shown', () => {
    fc.assert(
      fc.property(anyChain, (chain) => {
        for (const { hash, ...rest } of chain) {
          expect(hash).toBe(
            createHash('sha256')
              .update(canonicalize(rest) ?? '')
              .digest('hex'),
          );
        }
      }),
    );
  });
});
