import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CONSTRAINT_KINDS,
  type Constraints,
  constraintFaults,
  isConstraintPattern,
  narrowConstraints,
  parseCidr,
  plainAddress,
  type RunContext,
  widerKinds,
  withinConstraints,
} from '../../src/rules/constraint.js';
import { matchesGlob } from '../../src/rules/glob.js';
import { anyAddress, anyCidr, anyConstraints, anyContext, anyGlob, anyPath } from '../setup/arbitraries.js';

const allows = (constraints: Constraints, context: RunContext) => constraintFaults(constraints, context).length === 0;
const holds = (network: string, address: string) => allows({ networks: [network] }, { address });

/** An address as a number of 32 or 128 bits, read apart from the code. IPv6 with at most one `::` and no dots. */
function bitsOf(address: string): { value: bigint; width: number } {
  if (!address.includes(':')) {
    return { value: address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n), width: 32 };
  }
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  const groups = [...head, ...zeros, ...tail];
  return { value: groups.reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n), width: 128 };
}

describe('meeting constraints', () => {
  test('no constraints let every run through', () => {
    fc.assert(
      fc.property(anyContext, (context) => {
        expect(constraintFaults({}, context)).toEqual([]);
      }),
    );
  });

  test('an empty list lets nothing through', () => {
    fc.assert(
      fc.property(fc.constantFrom(...CONSTRAINT_KINDS), anyContext, (kind, context) => {
        expect(allows({ [kind]: [] }, context)).toBe(false);
      }),
    );
  });

  test('what the context does not say is not met, nor is what it says with an empty text', () => {
    const everything = { repositories: ['**'], refs: ['**'], environments: ['*'], runners: ['*'], networks: ['::/0'] };
    const missing = CONSTRAINT_KINDS.map((kind) => ({ kind, isMissing: true }));
    expect(constraintFaults(everything, {})).toEqual(missing);
    const empty = { repository: '', ref: '', environment: '', runner: { name: '', labels: [''] }, address: '' };
    expect(constraintFaults(everything, empty)).toEqual(missing);
  });

  test('each kind is met by its own part of the context alone', () => {
    const constraints = {
      repositories: ['acme/*'],
      refs: ['refs/heads/main'],
      environments: ['prod'],
      runners: ['r1'],
      networks: ['10.0.0.0/8'],
    };
    const context = {
      repository: 'acme/app',
      ref: 'refs/heads/main',
      environment: 'prod',
      runner: { name: 'x', labels: ['r1'] },
      address: '10.1.2.3',
    };
    expect(constraintFaults(constraints, context)).toEqual([]);
    const wrong = {
      repository: 'x/y',
      ref: 'refs/heads/x',
      environment: 'x',
      runner: { name: 'x', labels: ['y'] },
      address: '11.0.0.1',
    };
    expect(constraintFaults(constraints, wrong)).toEqual(CONSTRAINT_KINDS.map((kind) => ({ kind, isMissing: false })));
  });
});

describe('a constraint by runner', () => {
  const meets = (runners: string[], runner: RunContext['runner']) => allows({ runners }, { runner });

  test('is met by the name or by any one label, and by nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(anyGlob, { maxLength: 3 }),
        anyPath,
        fc.array(anyPath, { maxLength: 3 }),
        (globs, name, labels) => {
          const said = [name, ...labels].filter((text) => text !== '');
          const isMet = said.some((text) => globs.some((glob) => matchesGlob(glob, text)));
          expect(meets(globs, { name, labels })).toBe(isMet);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('is met by no run whose runner is not proven', () => {
    fc.assert(
      fc.property(fc.array(anyGlob), (globs) => {
        expect(meets(globs, undefined)).toBe(false);
      }),
    );
  });

  test('goes on being met when a runner gets more labels', () => {
    fc.assert(
      fc.property(fc.array(anyGlob), anyPath, fc.array(anyPath), anyPath, (globs, name, labels, more) => {
        if (meets(globs, { name, labels })) expect(meets(globs, { name, labels: [...labels, more] })).toBe(true);
      }),
    );
  });
});

describe('narrowing', () => {
  test('never widens: what passes the narrowed constraints passes both', () => {
    fc.assert(
      fc.property(anyConstraints, anyConstraints, anyContext, (a, b, context) => {
        if (allows(narrowConstraints(a, b), context)) {
          expect([constraintFaults(a, context), constraintFaults(b, context)]).toEqual([[], []]);
        }
      }),
      { numRuns: 5000 },
    );
  });

  test('stays within both', () => {
    fc.assert(
      fc.property(anyConstraints, anyConstraints, (a, b) => {
        const narrowed = narrowConstraints(a, b);
        expect([widerKinds(narrowed, a), widerKinds(narrowed, b)]).toEqual([[], []]);
      }),
      { numRuns: 2000 },
    );
  });

  test('by nothing changes nothing, from either side', () => {
    fc.assert(
      fc.property(anyConstraints, (constraints) => {
        expect(narrowConstraints(constraints, {})).toEqual(constraints);
        expect(narrowConstraints({}, constraints)).toEqual(constraints);
      }),
    );
  });

  test('to what lies within keeps it', () => {
    const asked = { repositories: ['acme/app'], networks: ['10.1.0.0/16'] };
    const allowed = { repositories: ['acme/*'], refs: ['refs/heads/*'], networks: ['10.0.0.0/8'] };
    expect(narrowConstraints(asked, allowed)).toEqual({ ...asked, refs: allowed.refs });
  });

  test('of constraints that share nothing leaves a list that lets nothing through', () => {
    expect(narrowConstraints({ refs: ['refs/a'] }, { refs: ['refs/b'] })).toEqual({ refs: [] });
  });
});

describe('lying within', () => {
  test('is never claimed where a run passes the inner and not the outer constraints', () => {
    fc.assert(
      fc.property(anyConstraints, anyConstraints, fc.array(anyContext, { minLength: 10 }), (inner, outer, contexts) => {
        if (!withinConstraints(inner, outer)) return;
        for (const context of contexts.filter((one) => allows(inner, one))) {
          expect(constraintFaults(outer, context)).toEqual([]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('holds of itself, and of anything within no constraints', () => {
    fc.assert(
      fc.property(anyConstraints, (constraints) => {
        expect(withinConstraints(constraints, constraints)).toBe(true);
        expect(withinConstraints(constraints, {})).toBe(true);
      }),
    );
  });

  test('does not hold where a kind was left out, and names the kinds that reach further', () => {
    expect(withinConstraints({}, { refs: ['refs/**'] })).toBe(false);
    const inner = { repositories: ['acme/app', 'x/y'], refs: ['refs/heads/main'] };
    const outer = { repositories: ['acme/*'], refs: ['refs/**'], environments: ['prod'] };
    expect(widerKinds(inner, outer)).toEqual(['repositories', 'environments']);
  });
});

describe('networks', () => {
  test('hold exactly the addresses that share their first bits', () => {
    fc.assert(
      fc.property(anyCidr, anyAddress, (cidr, address) => {
        const [base = '', prefix = ''] = cidr.split('/');
        const [network, caller] = [bitsOf(base), bitsOf(address)];
        const shift = BigInt(network.width - Number(prefix));
        const expected = network.width === caller.width && network.value >> shift === caller.value >> shift;
        expect(holds(cidr, address)).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test('lie within others exactly when their first bits do', () => {
    const first = (cidr: string, prefix: number) => {
      const { value, width } = bitsOf(cidr.split('/')[0] ?? '');
      return `${width}:${value >> BigInt(width - prefix)}`;
    };
    const prefixOf = (cidr: string) => Number(cidr.split('/')[1]);
    fc.assert(
      fc.property(anyCidr, anyCidr, fc.boolean(), (one, outer, isSameBase) => {
        const inner = isSameBase ? `${outer.split('/')[0]}/${Math.min(prefixOf(one), 32)}` : one;
        const expected =
          prefixOf(inner) >= prefixOf(outer) && first(inner, prefixOf(outer)) === first(outer, prefixOf(outer));
        expect(withinConstraints({ networks: [inner] }, { networks: [outer] })).toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ['0.0.0.0/0', '255.255.255.255', true],
    ['::/0', '2001:db8::1', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::/0', '10.0.0.1', false],
    ['10.0.0.1/32', '10.0.0.1', true],
    ['10.0.0.1/32', '10.0.0.2', false],
    ['10.1.2.3/8', '10.200.0.1', true],
    ['2001:db8::/32', '2001:DB8:0::1', true],
    ['2001:db8::1/128', '2001:db8::1', true],
    ['10.0.0.0/8', '::ffff:10.0.0.1', true],
    ['10.0.0.0/8', '::FFFF:10.0.0.1', true],
    ['10.0.0.0/8', '::ffff:a00:1', true],
    ['10.0.0.0/8', '0:0:0:0:0:ffff:10.0.0.1', true],
    ['10.0.0.0/8', '::ffff:11.0.0.1', false],
    ['::/0', '::ffff:10.0.0.1', false],
    ['::/0', '::ffff:a00:1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['10.0.0.0/8', '10.1', false],
    ['10.0.0.0/8', '010.0.0.1', false],
    ['10.0.0.0/8', '10.0.0.1/32', false],
    ['10.0.0.0/8', ' 10.0.0.1', false],
    ['10.0.0.0/8', '10.0.0.1, 11.0.0.1', false],
    ['10.0.0.0/8', 'unknown', false],
  ])('%s against %s is %s', (network, address, expected) => {
    expect(holds(network, address)).toBe(expected);
  });

  test.each([
    '10.0.0.0/8',
    '0.0.0.0/0',
    '10.0.0.1/32',
    '::/0',
    '2001:db8::/32',
    '::1/128',
    '10.1.2.3/8',
    '::10.0.0.0/104',
  ])('%s is a network', (text) => {
    expect(isConstraintPattern('networks', text)).toBe(true);
    expect(parseCidr(text)).toBeDefined();
  });

  test.each([
    '',
    '/8',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
    '10.0.0.0/8.0',
    '10.0.0.0/1e1',
    '10.0.0.0/8 ',
    '10.0.0.0/8\n',
    '10.0.0.0/255.0.0.0',
    '010.0.0.0/8',
    '10.0.0/8',
    '256.0.0.0/8',
    '0x0a.0.0.0/8',
    '::/129',
    '1::2::3/64',
    'fe80::1%eth0/64',
    '::ffff:10.0.0.0/104',
    '::ffff:a00:0/104',
    '0:0:0:0:0:ffff:10.0.0.0/104',
    'example.com/24',
    '*',
  ])('%j is not a network', (text) => {
    expect(isConstraintPattern('networks', text)).toBe(false);
  });

  test('a mapped IPv4 address is read in its own form however it is spelled, and others stay as they are', () => {
    fc.assert(
      fc.property(
        fc.ipV4(),
        fc.constantFrom('::ffff:', '0::ffff:', '::0:FFFF:', '0:0:0:0:0:ffff:'),
        (address, prefix) => {
          expect(plainAddress(prefix + address)).toBe(address);
          expect(plainAddress(address)).toBe(address);
        },
      ),
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const plain = plainAddress(address);
        if (!plain.includes(':')) expect(address).toMatch(/ffff:/i);
        else expect(plain).toBe(address);
      }),
    );
    for (const text of ['', 'unknown', 'fe80::1%eth0', '::ffff:300.0.0.1']) expect(plainAddress(text)).toBe(text);
  });
});

describe('the form of a pattern', () => {
  test.each([
    ['repositories', 'acme/app', true],
    ['repositories', 'github.com/acme/app', true],
    ['repositories', '*/*', true],
    ['repositories', '**', true],
    ['repositories', 'github.com/**', true],
    ['repositories', 'acme', false],
    ['repositories', '*', false],
    ['repositories', 'a/b/c/d', false],
    ['repositories', 'acme/', false],
    ['repositories', '//', false],
    ['refs', 'refs/heads/main', true],
    ['refs', 'refs/heads/release-*', true],
    ['refs', '**', true],
    ['refs', '**/main', true],
    ['refs', 'main', false],
    ['refs', 'refs', false],
    ['refs', 'refs/', false],
    ['refs', '/refs/heads/main', false],
    ['environments', 'prod', true],
    ['environments', 'prod eu', false],
    ['runners', 'linux-*', true],
    ['runners', 'a**', false],
    ['runners', '', false],
  ] as const)('%s: %s is %s', (kind, text, expected) => {
    expect(isConstraintPattern(kind, text)).toBe(expected);
  });
});
