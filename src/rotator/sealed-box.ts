const KEY_BYTES = 32;

/** Encrypts a text for who holds the private half of a key: X25519 and XSalsa20-Poly1305, as libsodium's
 *  `crypto_box_seal`. Gives base64. `undefined` when the key is no base64 of 32 bytes, or one of low order, to which
 *  anybody could find the shared secret. */
export async function sealFor(publicKey: string, text: string): Promise<string | undefined> {
  const key = Buffer.from(publicKey, 'base64');
  if (key.length !== KEY_BYTES || key.toString('base64') !== publicKey) return undefined;
  const { default: sodium } = await import('libsodium-wrappers');
  await sodium.ready;
  let sealed: Uint8Array;
  try {
    sealed = sodium.crypto_box_seal(text, key);
  } catch {
    return undefined;
  }
  return Buffer.from(sealed).toString('base64');
}
