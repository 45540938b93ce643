import { type Command, Option } from 'commander';
import { addCommand, exitsWith } from './command.js';
import type { ScanFlags } from './scan.js';

/** `scan`: what leaked, in files, in a repository's history, or in the commit that is about to be made. */
export function addScanCommand(program: Command): void {
  addCommand(
    program,
    'scan [path...]',
    'find tokens in files or standard input, offline; exit 1 when there are any',
    `countersign scan .
countersign scan --history --all-secrets
countersign scan --staged --all-secrets        # in a pre-commit hook
git log -p | countersign scan -`,
  )
    .option('--all-secrets', "look for other providers' secrets, private keys and passwords too")
    .option('--history', "read a repository's whole history: every ref, the reflogs and the stash")
    .option('--staged', 'read what the next commit adds or changes, as it is in the index')
    .addOption(new Option('--format <format>', 'how to tell (default: text)').choices(['text', 'json', 'sarif']))
    .option('--allow-file <path>', 'fingerprints that are no alarm (default: .countersign-allow where there is one)')
    .option('--no-allow-file', 'let none pass')
    .option('--revoke', 'revoke the tokens of this service that are found, those that are allowed too')
    .option('--yes', 'revoke without asking')
    .option('--install-hook', "write git's pre-commit hook, where there is none")
    .addHelpText(
      'after',
      `
Directories are searched to the bottom, without .git and without following symbolic links.
Columns count bytes from 1. No secret is ever printed.

A secret of another kind is named by a fingerprint, which does not lead back to it. To let one pass, put it
into .countersign-allow: a line each, the fingerprint, then # and why. The fingerprint of a token is in --json.

With --revoke it exits 1 when all that was found is revoked, and 69 when something is not.`,
    )
    .action(exitsWith(async (paths: string[], flags: ScanFlags) => (await import('./scan.js')).scan(paths, flags)));
}
