import { randomBytes } from 'node:crypto';
import { link, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, ConfigError, peppers, signingKeys } from './config.js';
import { generateSigningKey, type SigningKeySet } from './http/jwt.js';
import { prepareDataDir } from './store/embedded.js';
import type { Pepper } from './store/secret.js';

/** The keys of the service. None of them is ever in the database. */
export interface Keys {
  readonly peppers: readonly [Pepper, ...Pepper[]];
  readonly signingKeys: SigningKeySet;
}

const PEPPER_FILE = 'pepper';
const SIGNING_KEYS_FILE = 'signing-keys.json';

/** The configured keys, or those of the data directory, which are made when they are missing. */
export async function loadKeys(config: Config): Promise<Keys> {
  if (config.peppers && config.signingKeys) return { peppers: config.peppers, signingKeys: config.signingKeys };
  const dataDir = await prepareDataDir(config.dataDir);
  const pepperFile = join(dataDir, PEPPER_FILE);
  const keysFile = join(dataDir, SIGNING_KEYS_FILE);
  return {
    peppers: config.peppers ?? parse(peppers, pepperFile, await readOrMake(pepperFile, newPepper)),
    signingKeys: config.signingKeys ?? parse(signingKeys, keysFile, await readOrMake(keysFile, newSigningKeys)),
  };
}

async function newPepper(): Promise<string> {
  return `p${randomBytes(4).toString('hex')}:${randomBytes(32).toString('base64')}`;
}

async function newSigningKeys(): Promise<string> {
  return JSON.stringify({ keys: [await generateSigningKey()] });
}

/** Reads a file, or makes it, 0600 and whole at once: of several that start at the same moment all read the same. */
async function readOrMake(path: string, make: () => Promise<string>): Promise<string> {
  const found = await readFile(path, 'utf8').catch(unless('ENOENT'));
  if (found !== undefined) return found.trim();
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${await make()}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(draft, path).catch(unless('EEXIST'));
  } finally {
    await unlink(draft);
  }
  return (await readFile(path, 'utf8')).trim();
}

function parse<T>(
  schema: { safeParse(text: string): { success: true; data: T } | { success: false } },
  path: string,
  text: string,
): T {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new ConfigError(`${path} is damaged: restore it from a backup; what it held is not shown`);
}

function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === code) return undefined;
    throw error;
  };
}
