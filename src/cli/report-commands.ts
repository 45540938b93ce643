import type { Command } from 'commander';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { ReportFlags } from './reports.js';

const LIMIT = ['--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000)] as const;
const days = (what: string) => ['--days <days>', what, wholeNumber(1, 366)] as const;

/** Tokens that somebody should look at. */
export function addReportCommands(program: Command): void {
  const report = addGroup(program, 'report', 'list tokens that somebody should look at, each with why');

  addCommand(
    report,
    'ownerless',
    'list tokens whose owner, the person accountable for them, is not active',
    'countersign report ownerless',
  )
    .option(...LIMIT)
    .action(exitsWith(async (flags: ReportFlags) => (await import('./reports.js')).reportTokens('ownerless', flags)));

  addCommand(report, 'unused', 'list tokens that nobody uses', 'countersign report unused --days 90')
    .option(...days('for so long (default: 30)'))
    .option(...LIMIT)
    .action(exitsWith(async (flags: ReportFlags) => (await import('./reports.js')).reportTokens('unused', flags)));

  addCommand(
    report,
    'beyond-policy',
    'list tokens that are more than the policies of today allow',
    'countersign report beyond-policy --json',
  )
    .option(...LIMIT)
    .action(
      exitsWith(async (flags: ReportFlags) => (await import('./reports.js')).reportTokens('beyond_policy', flags)),
    );

  addCommand(
    report,
    'expiring',
    'list tokens that end soon and have no successor, the soonest first',
    'countersign report expiring --days 14',
  )
    .option(...days('within so many (default: 30)'))
    .option(...LIMIT)
    .action(exitsWith(async (flags: ReportFlags) => (await import('./reports.js')).reportTokens('expiring', flags)));
}
