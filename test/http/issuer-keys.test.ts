import { PassThrough } from 'node:stream';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createIssuerKeys, type IssuerKeys } from '../../src/http/issuer-keys.js';
import { createLog } from '../../src/http/log.js';
import { createOutgoing } from '../../src/http/outgoing.js';
import { createLoopbackIssuer, type IssuerKey, type LoopbackIssuer, makeIssuerKey } from '../setup/loopback-issuer.js';

let issuer: LoopbackIssuer;
let keys: IssuerKeys;
let second: IssuerKey;
let at = 0;
beforeAll(async () => {
  second = await makeIssuerKey();
});
beforeEach(async () => {
  at = Date.now();
  issuer = await createLoopbackIssuer(() => new Date(at));
  keys = createIssuerKeys(
    createOutgoing({ allowedPrivateNetworks: ['127.0.0.1/32'] }),
    createLog('silent', new PassThrough()),
  );
});
afterEach(() => issuer.close());

/** The name of the key that is found, or why none is. */
const find = async (kid = issuer.key.kid) => {
  const found = await keys.find(issuer.url, kid, new Date(at));
  return found.kind === 'found' ? found.key.kid : found.kind;
};
const advance = (seconds: number) => {
  at += seconds * 1000;
};
const breakDown = () => {
  issuer.intercept = (_, response) => {
    response.writeHead(500).end();
    return true;
  };
};
const ONE_READING = ['/.well-known/openid-configuration', '/jwks'];

describe('the keys of an issuer', () => {
  it('are fetched once in ten minutes', async () => {
    expect(await find()).toBe(issuer.key.kid);
    advance(599);
    expect(await find()).toBe(issuer.key.kid);
    expect(issuer.asked).toEqual(ONE_READING);
    advance(1);
    expect(await find()).toBe(issuer.key.kid);
    expect(issuer.asked).toEqual([...ONE_READING, ...ONE_READING]);
  });

  it('are fetched once for all who ask at the same moment', async () => {
    const found = await Promise.all(Array.from({ length: 20 }, () => find()));
    expect(new Set(found)).toEqual(new Set([issuer.key.kid]));
    expect(issuer.asked).toEqual(ONE_READING);
  });

  it('are looked for again for a name that is new, every 30 s at most', async () => {
    await find();
    issuer.keys = [issuer.key.publicJwk, second.publicJwk];
    advance(29);
    expect(await find(second.kid)).toBe('unknown');
    expect(issuer.asked).toEqual(ONE_READING);
    advance(1);
    expect(await find(second.kid)).toBe(second.kid);
    expect(await find('another')).toBe('unknown');
    expect(issuer.asked).toHaveLength(4);
  });

  it('are forgotten when the issuer withdraws them', async () => {
    await find();
    issuer.keys = [second.publicJwk];
    advance(600);
    expect(await find()).toBe('unknown');
    expect(await find(second.kid)).toBe(second.kid);
  });

  it('serve for a day while the issuer is out of reach, those that are known alone, and it is not besieged', async () => {
    await find();
    breakDown();
    issuer.keys = [issuer.key.publicJwk, second.publicJwk];
    for (let seconds = 600; seconds < 700; seconds += 10) {
      advance(seconds === 600 ? 600 : 10);
      expect(await find()).toBe(issuer.key.kid);
      expect(await find(second.kid)).toBe('away');
    }
    expect(issuer.asked).toHaveLength(2 + 10);
    advance(86_400 - 691);
    expect(await find()).toBe(issuer.key.kid);
    advance(1);
    expect(await find()).toBe('away');
    issuer.intercept = () => false;
    advance(5);
    expect(await find(second.kid)).toBe(second.kid);
  });

  it('are none of an issuer that was never reached', async () => {
    breakDown();
    expect(await find()).toBe('away');
    advance(4);
    expect(await keys.find(issuer.url, 'any', new Date(at))).toEqual({ kind: 'away', retryAfterSeconds: 1 });
    expect(issuer.asked).toHaveLength(1);
    issuer.intercept = () => false;
    advance(1);
    expect(await find()).toBe(issuer.key.kid);
  });

  it('are asked for every 30 s at most by names that it does not have, as long as it answers', async () => {
    await find();
    for (let seconds = 0; seconds < 30; seconds += 5) {
      advance(4);
      expect(await find(`kid-${seconds}`)).toBe('unknown');
    }
    expect(issuer.asked).toEqual(ONE_READING);
  });
});

describe('nothing is believed', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ ...issuer.key.publicJwk, kid: `key-${index}` }));

  it.each<[string, () => void]>([
    [
      'of a document about another issuer',
      () => (issuer.discovery = { ...issuer.discovery, issuer: `${issuer.url}/` }),
    ],
    ['of a document about nobody', () => (issuer.discovery = { jwks_uri: `${issuer.url}/jwks` })],
    [
      'of keys that lie inside of the operator’s networks',
      () => {
        issuer.discovery = { ...issuer.discovery, jwks_uri: issuer.url.replace('127.0.0.1', '127.0.0.2') };
      },
    ],
    ['of keys in a file', () => (issuer.discovery = { ...issuer.discovery, jwks_uri: 'file:///etc/jwks.json' })],
    ['of more than 100 keys', () => (issuer.keys = [issuer.key.publicJwk, ...many(100)])],
    ['of more than 64 KiB', () => (issuer.keys = [{ ...issuer.key.publicJwk, x5c: ['A'.repeat(65_536)] }])],
    ['of what is no set', () => (issuer.keys = 'none' as never)],
    ['of a key that shows its private part', () => (issuer.keys = [{ ...issuer.key.publicJwk, d: 'AAAA' }])],
    ['of a secret', () => (issuer.keys = [{ kty: 'oct', kid: issuer.key.kid, k: 'AAAA' }])],
    ['of a key to encrypt with', () => (issuer.keys = [{ ...issuer.key.publicJwk, use: 'enc' }])],
    [
      'of two keys of one name',
      () => (issuer.keys = [issuer.key.publicJwk, { ...second.publicJwk, kid: issuer.key.kid }]),
    ],
    [
      'of a redirect',
      () => {
        issuer.intercept = (path, response) => {
          if (path !== '/jwks') return false;
          response.writeHead(302, { location: `${issuer.url}/elsewhere` }).end();
          return true;
        };
      },
    ],
    [
      'of what is not JSON',
      () => {
        issuer.intercept = (_, response) => {
          response.end('<html>');
          return true;
        };
      },
    ],
  ])('%s', async (_, spoil) => {
    spoil();
    expect(await find()).not.toBe(issuer.key.kid);
    expect(issuer.asked).not.toContain('/elsewhere');
  });

  it('but a hundred keys are, beside some that are of no use', async () => {
    issuer.keys = [issuer.key.publicJwk, { kty: 'new' }, 'noise', ...many(97)];
    expect(await find()).toBe(issuer.key.kid);
  });

  it('also of an issuer with a path', async () => {
    const asked: string[] = [];
    issuer.intercept = (path, response) => {
      asked.push(path);
      response.end(JSON.stringify({ issuer: `${issuer.url}/org`, jwks_uri: `${issuer.url}/jwks` }));
      return true;
    };
    await keys.find(`${issuer.url}/org`, 'any', new Date(at));
    expect(asked[0]).toBe('/org/.well-known/openid-configuration');
  });
});
