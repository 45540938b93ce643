import type { Scanner, Sighting } from '../rules/scan.js';
import { OWN_KIND } from '../rules/secret-scan.js';
import { print, say } from './output.js';
import { printable } from './printable.js';
import type { Allowed } from './scan-allow.js';

/** A secret that was found, as `--json` shows it. Of a repository's history, `commit` is the first that has it there. */
export interface Finding {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly kind: string;
  readonly fingerprint: string;
  readonly token_id?: string;
  readonly commit?: string;
}

/** What is being read: a file, an object of a repository. */
export interface Document {
  readonly file: string;
  readonly commit?: string;
}

/** Makes a scanner for the next document. */
export type NewScanner = () => Scanner;

/** What a scan has found so far, and what it could not read. */
export interface Tally {
  readonly findings: Finding[];
  readonly unreadable: string[];
  files: number;
  /** Findings that are not told because they are allowed. */
  allowed: number;
  take(document: Document, sightings: readonly Sighting[]): void;
  cannotRead(file: string, why: string): void;
}

/** Makes a tally that tells each finding at once, in a line, when `isTold`. `isOnce` tells a secret once a file, for a
 *  history in which it stands in each version of it. */
export function createTally(options: { allowed: Allowed; isTold: boolean; isOnce: boolean }): Tally {
  const { allowed, isTold, isOnce } = options;
  const seen = new Set<string>();
  return {
    findings: [],
    unreadable: [],
    files: 0,
    allowed: 0,
    take({ file, commit }, sightings) {
      for (const { line, column, kind, fingerprint, publicId } of sightings) {
        const key = `${fingerprint} ${file}`;
        if (isOnce && seen.has(key)) continue;
        if (isOnce) seen.add(key);
        if (allowed.has(fingerprint)) {
          this.allowed += 1;
          continue;
        }
        const finding: Finding = {
          file,
          line,
          column,
          kind,
          fingerprint,
          ...(publicId === undefined ? {} : { token_id: publicId }),
          ...(commit === undefined ? {} : { commit }),
        };
        this.findings.push(finding);
        if (isTold) print(lineOf(finding));
      }
    },
    cannotRead(file, why) {
      this.unreadable.push(file);
      say(`${printable(file)} cannot be read (${printable(why)})`);
    },
  };
}

function lineOf({ file, line, column, kind, fingerprint, token_id, commit }: Finding): string {
  const place = `${commit === undefined ? '' : `${commit}:`}${printable(file)}:${line}:${column}`;
  return `${place}: ${kind === OWN_KIND && token_id !== undefined ? token_id : `${kind} ${fingerprint}`}`;
}
