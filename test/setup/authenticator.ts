import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** What an authenticator is told to do otherwise than it should. */
export interface Misbehaviour {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly crossOrigin?: boolean;
  /** Whether somebody was there, and was verified (default both). */
  readonly isPresent?: boolean;
  readonly isVerified?: boolean;
  readonly counter?: number;
  readonly userHandle?: string | null;
  /** Signs with another key than the credential's. */
  readonly forges?: boolean;
}

/** What the script of a page gets of the options. */
export interface Options {
  readonly challenge: string;
  readonly rpId?: string;
  readonly rp?: { readonly id: string };
  readonly user?: { readonly id: string };
}

type Algorithm = 'ES256' | 'EdDSA' | 'RS256';

/** An authenticator with one credential, and the browser before it, as software: what the script of a page would send. It
 *  counts when it is told to. */
export class Authenticator {
  readonly id = randomBytes(20).toString('base64url');
  counter: number;
  userHandle = randomBytes(16).toString('base64url');
  /** Where the browser before it is. */
  readonly origin: string;
  readonly #algorithm: Algorithm;
  readonly #keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };

  constructor(origin: string, { algorithm = 'ES256', counter = 0 }: { algorithm?: Algorithm; counter?: number } = {}) {
    this.origin = origin;
    this.#algorithm = algorithm;
    this.#keys = newKeys(algorithm);
    this.counter = counter;
  }

  /** Answers `navigator.credentials.create`. */
  create(options: Options, wrong: Misbehaviour & { readonly fmt?: string; readonly statement?: Cbor } = {}) {
    this.userHandle = options.user?.id ?? '';
    const rpId = wrong.rpId ?? options.rp?.id ?? '';
    const id = Buffer.from(this.id, 'base64url');
    const length = Buffer.from([id.length >> 8, id.length & 0xff]);
    const attested = Buffer.concat([Buffer.alloc(16), length, id, encode(coseKey(this.#keys.publicKey))]);
    const authData = Buffer.concat([this.#data(rpId, wrong, 0x40), attested]);
    const object = new Map<string, Cbor>([
      ['fmt', wrong.fmt ?? 'none'],
      ['attStmt', wrong.statement ?? new Map()],
      ['authData', authData],
    ]);
    return {
      id: this.id,
      clientDataJSON: this.#clientData(options, 'webauthn.create', wrong),
      attestationObject: encode(object).toString('base64url'),
      transports: ['internal', 'from-the-future'],
    };
  }

  /** Answers `navigator.credentials.get`. */
  get(options: Options, wrong: Misbehaviour = {}) {
    if (this.counter > 0) this.counter += 1;
    const data = this.#data(wrong.rpId ?? options.rpId ?? '', wrong, 0);
    const clientDataJSON = this.#clientData(options, 'webauthn.get', wrong);
    const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
    const key = wrong.forges ? newKeys(this.#algorithm).privateKey : this.#keys.privateKey;
    const signature = sign(this.#algorithm === 'EdDSA' ? null : 'sha256', Buffer.concat([data, hash]), key);
    return {
      id: this.id,
      clientDataJSON,
      authenticatorData: data.toString('base64url'),
      signature: signature.toString('base64url'),
      userHandle: wrong.userHandle === undefined ? this.userHandle : wrong.userHandle,
    };
  }

  #data(rpId: string, { isPresent = true, isVerified = true, counter = this.counter }: Misbehaviour, flags: number) {
    const count = Buffer.alloc(4);
    count.writeUInt32BE(counter);
    const all = flags | (isPresent ? 0x01 : 0) | (isVerified ? 0x04 : 0);
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([all]), count]);
  }

  #clientData({ challenge }: Options, type: string, wrong: Misbehaviour): string {
    const data = {
      type: wrong.type ?? type,
      challenge: wrong.challenge ?? challenge,
      origin: wrong.origin ?? this.origin,
      crossOrigin: wrong.crossOrigin ?? false,
    };
    return Buffer.from(JSON.stringify(data)).toString('base64url');
  }
}

function newKeys(algorithm: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  switch (algorithm) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' });
    case 'EdDSA':
      return generateKeyPairSync('ed25519');
    case 'RS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 });
  }
}

/** RFC 9053 section 7, RFC 8230 section 4. */
function coseKey(key: KeyObject): Cbor {
  const jwk = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }).export({ format: 'jwk' });
  const bytes = (text = '') => Buffer.from(text, 'base64url');
  switch (jwk.kty) {
    case 'EC':
      return new Map<number, Cbor>([
        [1, 2],
        [3, -7],
        [-1, 1],
        [-2, bytes(jwk.x)],
        [-3, bytes(jwk.y)],
      ]);
    case 'OKP':
      return new Map<number, Cbor>([
        [1, 1],
        [3, -8],
        [-1, 6],
        [-2, bytes(jwk.x)],
      ]);
    default:
      return new Map<number, Cbor>([
        [1, 3],
        [3, -257],
        [-1, bytes(jwk.n)],
        [-2, bytes(jwk.e)],
      ]);
  }
}

type Cbor = number | string | Buffer | readonly Cbor[] | ReadonlyMap<number | string, Cbor>;

/** CBOR, as far as authenticators need it. RFC 8949 section 3. */
function encode(value: Cbor): Buffer {
  if (typeof value === 'number') return value >= 0 ? head(0, value) : head(1, -1 - value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) {
    return Buffer.concat([head(5, value.size), ...[...value].flatMap(([key, one]) => [encode(key), encode(one)])]);
  }
  const list = value as readonly Cbor[];
  return Buffer.concat([head(4, list.length), ...list.map(encode)]);
}

function head(major: number, length: number): Buffer {
  const kind = major << 5;
  if (length < 24) return Buffer.from([kind | length]);
  if (length < 256) return Buffer.from([kind | 24, length]);
  return Buffer.from([kind | 25, length >> 8, length & 0xff]);
}
