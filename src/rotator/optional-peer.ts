import { createRequire } from 'node:module';
import { SinkTextError } from './sink.js';

/** Refuses a sink whose package is not installed: the packages of clouds are large, so that whoever needs one brings it.
 *  Throws {@link SinkTextError}. */
export function requirePeer(name: string): void {
  try {
    createRequire(import.meta.url).resolve(name);
  } catch {
    throw new SinkTextError(`${name} is not installed beside countersign: npm install ${name}`);
  }
}
