import { open } from 'node:fs/promises';
import { IdTokenError, idTokenIn, MOST_ID_TOKEN_INPUT_BYTES } from './id-token.js';

/** Reads a token from a file that the platform keeps fresh. Throws {@link IdTokenError}. */
export async function takeIdTokenFile(path: string): Promise<string> {
  try {
    return idTokenIn(await readBounded(path), `the file ${path}`);
  } catch (error) {
    if (error instanceof IdTokenError) throw error;
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new IdTokenError(`the file ${path} cannot be read (${code})`);
  }
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      const bytes = Buffer.from(chunk);
      length += bytes.length;
      if (length > MOST_ID_TOKEN_INPUT_BYTES) throw new IdTokenError(`the file ${path} holds more than a token`);
      chunks.push(bytes);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    await file.close();
  }
}
