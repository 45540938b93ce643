const UNKNOWN = 0x3f;

/** Which UTF-16 a stream is in, by the byte order mark that it begins with. */
export function utf16Of(bytes: Buffer): 'utf16le' | 'utf16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf16be';
  return undefined;
}

/** One byte a unit: the low one, and a question mark for what is not of Latin-1. */
export function narrowUtf16(bytes: Buffer, isBigEndian: boolean): Buffer {
  const narrow = Buffer.allocUnsafe(bytes.length / 2);
  const low = isBigEndian ? 1 : 0;
  for (let at = 0; at < narrow.length; at += 1) {
    narrow[at] = bytes[2 * at + 1 - low] === 0 ? (bytes[2 * at + low] ?? UNKNOWN) : UNKNOWN;
  }
  return narrow;
}
