import { readFileSync } from 'node:fs';

/** The version of this package, as `--version` prints it and the service reads it in `User-Agent`. */
export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const isNamed = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return isNamed ? String(manifest.version) : '0.0.0';
}
