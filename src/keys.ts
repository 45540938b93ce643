import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError, peppers, signingKeys } from './config.js';
import { generateSigningKey, type SigningKeySet } from './http/jwt.js';
import { prepareDataDir, unless } from './store/embedded-directory.js';
import type { Pepper } from './store/secret.js';

/** The keys of the service. None of them is ever in the database. */
export interface Keys {
  readonly peppers: readonly [Pepper, ...Pepper[]];
  readonly signingKeys: SigningKeySet;
}

type KeyConfig = Pick<Config, 'dataDir' | 'peppers' | 'signingKeys'>;

const PEPPER_FILE = 'pepper';
const SIGNING_KEYS_FILE = 'signing-keys.json';

/** The configured keys, or those of the data directory, which are made when they are missing. Throws
 *  {@link ConfigError} when they are damaged. */
export async function loadKeys(config: KeyConfig): Promise<Keys> {
  if (!config.peppers || !config.signingKeys) await makeMissing(config);
  const keys = await readKeys(config);
  if (keys === undefined) throw new ConfigError(`the keys in ${config.dataDir} went away: start again`);
  return keys;
}

/** The same keys, where nothing is made: gives `undefined` when a file is not there. */
export async function readKeys(config: KeyConfig): Promise<Keys | undefined> {
  const pepperFile = join(config.dataDir, PEPPER_FILE);
  const keysFile = join(config.dataDir, SIGNING_KEYS_FILE);
  const found = {
    peppers: config.peppers ?? parse(peppers, pepperFile, await readIfThere(pepperFile)),
    signingKeys: config.signingKeys ?? parse(signingKeys, keysFile, await readIfThere(keysFile)),
  };
  if (found.peppers === undefined || found.signingKeys === undefined) return undefined;
  return { peppers: found.peppers, signingKeys: found.signingKeys };
}

async function makeMissing(config: KeyConfig): Promise<void> {
  const dataDir = await prepareDataDir(config.dataDir);
  if (!config.peppers) await makeIfMissing(join(dataDir, PEPPER_FILE), newPepper);
  if (!config.signingKeys) await makeIfMissing(join(dataDir, SIGNING_KEYS_FILE), newSigningKeys);
}

async function newPepper(): Promise<string> {
  return `p${randomBytes(4).toString('hex')}:${randomBytes(32).toString('base64')}`;
}

async function newSigningKeys(): Promise<string> {
  return JSON.stringify({ keys: [await generateSigningKey()] });
}

/** Makes a file, 0600 and whole at once: of several that start at the same moment all read the same. */
async function makeIfMissing(path: string, make: () => Promise<string>): Promise<void> {
  if ((await readIfThere(path)) !== undefined) return;
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await writeFile(draft, `${await make()}\n`, { mode: 0o600, flag: 'wx', flush: true });
    await link(draft, path).catch(unless('EEXIST'));
  } finally {
    await unlink(draft).catch(unless('ENOENT'));
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return (await readFile(path, 'utf8').catch(unless('ENOENT')))?.trim();
}

function parse<T>(
  schema: { safeParse(text: string): { success: true; data: T } | { success: false } },
  path: string,
  text: string | undefined,
): T | undefined {
  if (text === undefined) return undefined;
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`${path} is damaged: restore it from a backup; what it holds is not shown`);
}
