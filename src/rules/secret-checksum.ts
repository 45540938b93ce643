import { encodeBase62 } from './format.js';

const CHECKSUM_WIDTH = 6;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Whether a token of GitHub's or npm's form (`ghp_`, `npm_` and their like, then 36 characters) has its true checksum: the
 *  last 6 characters are the CRC-32 of the 30 before them, in base62. */
export function hasCrcChecksum(token: string): boolean {
  const body = token.slice(token.indexOf('_') + 1);
  const sum = crc32(body.slice(0, -CHECKSUM_WIDTH));
  return body.slice(-CHECKSUM_WIDTH) === encodeBase62(BigInt(sum), CHECKSUM_WIDTH);
}

function crc32(text: string): number {
  let value = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) {
    value = (TABLE[(value ^ text.charCodeAt(at)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return (value ^ 0xffffffff) >>> 0;
}
