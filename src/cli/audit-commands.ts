import type { Command } from 'commander';
import type { AuditListFlags } from './audit-list.js';
import type { VerifyFlags } from './audit-verify.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';

/** The audit trail. */
export function addAuditCommands(program: Command): void {
  const audit = addGroup(program, 'audit', 'read the audit trail and prove it whole');

  addCommand(
    audit,
    'list',
    'list the last events; with a filter or --after, the first ones that match',
    `countersign audit list --limit 20
countersign audit list --action token.revoked --after 1200`,
  )
    .option('--after <seq>', 'only events behind the one of this number', wholeNumber(0, 1e15 - 1))
    .option('--action <action>', 'only this action, such as token.revoked')
    .option('--target <id>', 'only what was done to the token, member or workflow with this id')
    .option('--limit <n>', 'at most so many (default: 50)', wholeNumber(1, 1_000_000))
    .action(exitsWith(async (flags: AuditListFlags) => (await import('./audit-list.js')).listEvents(flags)));

  addCommand(
    audit,
    'verify',
    'recompute the hash chain; exit 1 at the first broken link',
    `countersign audit verify
countersign audit verify --checkpoint audit-checkpoint.jws --jwks keys.json`,
  )
    .option('--checkpoint <file>', 'a checkpoint saved earlier: the chain must still contain it')
    .option('--jwks <file>', "the keys that may have signed it (default: the service's own of today)")
    .action(exitsWith(async (flags: VerifyFlags) => (await import('./audit-verify.js')).verifyTrail(flags)));

  addCommand(
    audit,
    'checkpoint',
    'print the signed head of the chain, to be kept elsewhere',
    'countersign audit checkpoint > audit-checkpoint.jws',
  ).action(exitsWith(async (flags: { json?: true }) => (await import('./checkpoint.js')).printCheckpoint(flags)));
}
