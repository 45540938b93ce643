import { type Command, Option } from 'commander';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { CloseIncidentFlags, IncidentListFlags, ShowIncidentFlags } from './incidents.js';

/** Tokens that leaked, or whose dead secrets were used. */
export function addIncidentCommands(program: Command): void {
  const incident = addGroup(program, 'incident', 'see what became of a token that leaked, and close it');

  addCommand(
    incident,
    'list',
    'list incidents, newest first',
    `countersign incident list --status open
countersign incident list --token tok_01KfUXmCbVYz8sQ2dW3nRk`,
  )
    .addOption(new Option('--status <status>', 'only these').choices(['open', 'closed']))
    .option('--token <id>', 'only of this token')
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .action(exitsWith(async (flags: IncidentListFlags) => (await import('./incidents.js')).listIncidents(flags)));

  addCommand(
    incident,
    'show <id>',
    'show an incident: the token, where it was seen and used, its lineage, and what was done',
    'countersign incident show inc_01KfUXmCbVYz8sQ2dW3nRk --format md > report.md',
  )
    .addOption(new Option('--format <format>', 'how: `md` is a report to hand in').choices(['text', 'md']))
    .addHelpText('after', '\nNo secret is in it.')
    .action(
      exitsWith(async (id: string, flags: ShowIncidentFlags) =>
        (await import('./incidents.js')).showIncident(id, flags),
      ),
    );

  addCommand(
    incident,
    'close <id>',
    'close an incident; seen once more after that, its token has another',
    "countersign incident close inc_01KfUXmCbVYz8sQ2dW3nRk --note 'the log is gone'",
  )
    .option('--note <text>', 'what came of it, for the record')
    .action(
      exitsWith(async (id: string, flags: CloseIncidentFlags) =>
        (await import('./incidents.js')).closeIncident(id, flags),
      ),
    );
}
