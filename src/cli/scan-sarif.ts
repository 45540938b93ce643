import { isAbsolute, relative } from 'node:path';
import { SECRET_KINDS } from '../rules/secret-scan.js';
import { VERSION } from '../version.js';
import type { Finding } from './scan-tally.js';

const ROOT = '%SRCROOT%';
/** The name of our fingerprint in `partialFingerprints`: the number goes up when the same secret is named otherwise. */
const FINGERPRINT = 'countersignSecret/v1';

/** Findings as a SARIF log (OASIS SARIF 2.1.0), for code scanning. Paths are relative to the root of what was scanned
 *  (`%SRCROOT%`). Columns count bytes, where SARIF counts characters: they differ behind a letter that is not of ASCII. */
export function sarifLog(findings: readonly Finding[]): object {
  const kinds = [...SECRET_KINDS.keys()].filter((kind) => findings.some((finding) => finding.kind === kind));
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'countersign', semanticVersion: VERSION, rules: kinds.map(ruleOf) } },
        columnKind: 'unicodeCodePoints',
        originalUriBaseIds: { [ROOT]: { description: { text: 'The root of what was scanned.' } } },
        results: findings.map((finding) => resultOf(finding, kinds)),
      },
    ],
  };
}

function ruleOf(kind: string): object {
  return {
    id: kind,
    shortDescription: { text: `Holds ${SECRET_KINDS.get(kind) ?? 'a secret'}.` },
    help: { text: 'Revoke it where it was made, then take it out. What was ever pushed counts as leaked.' },
    defaultConfiguration: { level: 'error' },
  };
}

function resultOf({ file, line, column, kind, fingerprint, token_id, commit }: Finding, kinds: string[]): object {
  const named = token_id === undefined ? '' : ` ${token_id}`;
  const since = commit === undefined ? '' : `, since commit ${commit}`;
  return {
    ruleId: kind,
    ruleIndex: kinds.indexOf(kind),
    level: 'error',
    message: { text: `Here stands ${SECRET_KINDS.get(kind) ?? 'a secret'}${named}${since}.` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(file), uriBaseId: ROOT },
          region: { startLine: line, startColumn: column },
        },
      },
    ],
    partialFingerprints: { [FINGERPRINT]: fingerprint },
    ...(commit === undefined ? {} : { properties: { commit } }),
  };
}

/** A path as a relative reference (RFC 3986 section 4.2): no segment of it can be taken for a scheme. */
function uriOf(file: string): string {
  const path = isAbsolute(file) ? relative(process.cwd(), file) : file;
  return path.toWellFormed().split('/').map(encodeURIComponent).join('/');
}
