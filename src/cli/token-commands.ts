import { type Command, Option } from 'commander';
import { MAX_EXPIRY_DAYS } from '../rules/lifetime.js';
import { MAX_DRAIN_SECONDS, MAX_OVERLAP_SECONDS } from '../rules/rotation.js';
import { REVOKE_REASONS, TOKEN_STATUSES } from '../rules/token.js';
import { MAX_USAGE_DAYS } from '../rules/token-usage.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import { parseInstant } from './instant.js';
import type { MintFlags } from './mint.js';
import type { MintManyFlags } from './mint-many.js';
import type { RevokeFlags } from './revoke.js';
import type { RevokeAllFlags } from './revoke-all.js';
import type { RotateFlags } from './rotate.js';
import type { ExpiriesFlags } from './token-expiries.js';
import type { UsageFlags } from './token-usage.js';
import type { TokenListFlags } from './tokens.js';

/** Tokens, from minting to revoking. */
export function addTokenCommands(program: Command): void {
  const token = addGroup(program, 'token', 'mint, list, rotate and revoke tokens');
  addMint(token);
  addMintMany(token);
  addReading(token);
  addRotate(token);
  addAfterLeaving(token);
  addRevoke(token);
  addRevokeAll(program);
}

function addMint(token: Command): void {
  addCommand(
    token,
    'mint',
    'mint a token for a workflow; only the secret goes to standard output',
    'countersign token mint --workflow codex-review --scope repo:read codex:exec | gh secret set COUNTERSIGN_TOKEN',
  )
    .requiredOption('--workflow <label>', 'the workflow that it is for')
    .requiredOption('--scope <scope...>', 'what it may do, such as repo:read')
    .option(
      '--expires-in-days <days>',
      'one of the periods of the workflow (default: the longest up to 30)',
      wholeNumber(1, MAX_EXPIRY_DAYS),
    )
    .option('--repository <pattern...>', 'only for these repositories: owner/name, with * and **')
    .option('--ref <pattern...>', 'only for these refs: refs/heads/main, with * and **')
    .option('--environment <pattern...>', 'only for these environments')
    .option('--runner <pattern...>', 'only on these runners')
    .option('--network <cidr...>', 'only from these networks')
    .option('--not-before <time>', 'valid from then on: a day or an RFC 3339 time', parseInstant)
    .option('--name <name>', 'a name for people')
    .addHelpText(
      'after',
      `
Everything that it may do has to be named. A job that renews its own token with \`countersign token rotate self\` needs
--scope tokens:rotate too; a runner that checks the tokens of others needs --scope exec:check.
Many at once: countersign token mint-many.`,
    )
    .action(exitsWith(async (flags: MintFlags) => (await import('./mint.js')).mint(flags)));
}

function addMintMany(token: Command): void {
  addCommand(
    token,
    'mint-many [file]',
    'mint up to 100 tokens or none, from a list in a file or on standard input',
    `countersign token mint-many tokens.json --into-dir tokens
echo '[{"workflow":"codex-review","scopes":["codex:exec"]}]' | countersign token mint-many -`,
  )
    .option(
      '--into-dir <directory>',
      'write each secret into a file of its own there: WORKFLOW.token or WORKFLOW.NAME.token',
    )
    .addHelpText(
      'after',
      `
The list is a JSON array, or a JSON object on each line. Each is what POST /v1/tokens takes: workflow, scopes,
expires_in_days (default: the longest of the workflow up to 30), name, constraints, not_before. Without --into-dir
the secrets go to standard output, one on a line in the order of the list; --json prints all that is known of them.`,
    )
    .action(
      exitsWith(async (file: string | undefined, flags: MintManyFlags) =>
        (await import('./mint-many.js')).mintMany(file, flags),
      ),
    );
}

function addReading(token: Command): void {
  addCommand(token, 'list', 'list tokens, newest first', 'countersign token list --expires-before 2026-12-31')
    .option('--workflow <label>', 'only of this workflow')
    .option('--creator <member>', 'only minted by this member (id or e-mail address)')
    .option('--owner <member>', 'only owned by this member (id or e-mail address)')
    .addOption(new Option('--status <status>', 'only in this state').choices(TOKEN_STATUSES))
    .option('--expires-before <time>', 'only those that end before a day or an RFC 3339 time', parseInstant)
    .option('--unused-since <time>', 'only those not used since a day or an RFC 3339 time', parseInstant)
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .action(exitsWith(async (flags: TokenListFlags) => (await import('./tokens.js')).listTokens(flags)));

  addCommand(token, 'show <id>', 'show a token, or `self`', 'countersign token show self').action(
    exitsWith(async (id: string, flags: { json?: true }) => (await import('./tokens.js')).showToken(id, flags)),
  );

  addCommand(
    token,
    'explain <id>',
    'say what state a token is or was in, and every fact that led to it',
    'countersign token explain tok_01KfUXmCbVYz8sQ2dW3nRk --at 2026-01-31T12:00:00Z',
  )
    .option('--at <time>', 'the state at that time (default: now)', parseInstant)
    .action(
      exitsWith(async (id: string, flags: { at?: string; json?: true }) =>
        (await import('./explain.js')).explainToken(id, flags),
      ),
    );

  addCommand(
    token,
    'usage <id>',
    'say what has used a token, or `self`: by day, and by repository, ref, job, runner and address',
    'countersign token usage tok_01KfUXmCbVYz8sQ2dW3nRk --days 90 --lineage',
  )
    .option('--days <days>', 'the last so many days, in UTC (default: 30)', wholeNumber(1, MAX_USAGE_DAYS))
    .option('--lineage', 'all that were rotated from each other together, so that no rotation hides what was before')
    .action(
      exitsWith(async (id: string, flags: UsageFlags) => (await import('./token-usage.js')).tokenUsage(id, flags)),
    );

  addCommand(
    token,
    'expiries',
    'list tokens that have no successor by their ends, the soonest first; or as a calendar',
    `countersign token expiries --days 30
countersign token expiries --ics > expiries.ics`,
  )
    .option('--days <days>', 'what ends within so many (default: 366)', wholeNumber(1, MAX_EXPIRY_DAYS))
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .addOption(new Option('--ics', 'the calendar that programs subscribe to (RFC 5545)').conflicts(['json', 'limit']))
    .action(exitsWith(async (flags: ExpiriesFlags) => (await import('./token-expiries.js')).tokenExpiries(flags)));

  addCommand(
    token,
    'introspect',
    'ask about the token on standard input; exit 1 when it is not active',
    'countersign token introspect < token.txt',
  ).action(exitsWith(async (flags: { json?: true }) => (await import('./introspect.js')).introspect(flags)));

  addCommand(
    token,
    'transfer <id>',
    'hand a token over to another accountable member',
    'countersign token transfer tok_01KfUXmCbVYz8sQ2dW3nRk --to grace@acme.example',
  )
    .requiredOption('--to <member>', 'the new owner (id or e-mail address)')
    .action(
      exitsWith(async (id: string, flags: { to: string; json?: true }) =>
        (await import('./tokens.js')).transferToken(id, flags),
      ),
    );
}

function addAfterLeaving(token: Command): void {
  addCommand(
    token,
    'take-over <id>',
    'get a token of your own in the place of one whose creator left; only its secret goes to standard output',
    'countersign token take-over tok_01KfUXmCbVYz8sQ2dW3nRk | gh secret set COUNTERSIGN_TOKEN',
  )
    .addHelpText(
      'after',
      '\nFor the member who is named as its successor, once: the old token ends. After a lost answer rotate the new one.',
    )
    .action(
      exitsWith(async (id: string, flags: { json?: true }) => (await import('./take-over.js')).takeOver(id, flags)),
    );

  addCommand(
    token,
    'unfreeze <id>',
    'let a frozen token be good again: its creator is back, or somebody needs it after all',
    'countersign token unfreeze tok_01KfUXmCbVYz8sQ2dW3nRk',
  ).action(
    exitsWith(async (id: string, flags: { json?: true }) => (await import('./take-over.js')).unfreeze(id, flags)),
  );
}

function addRotate(token: Command): void {
  addCommand(
    token,
    'rotate <id>',
    'make a successor of a token, or of `self`; only its secret goes to standard output',
    'countersign token rotate self | gh secret set COUNTERSIGN_TOKEN',
  )
    .option(
      '--expires-in-days <days>',
      'one of the periods of the workflow (default: as the old one)',
      wholeNumber(1, MAX_EXPIRY_DAYS),
    )
    .option(
      '--overlap-seconds <seconds>',
      'how long the old one stays valid at most (default: a day)',
      wholeNumber(0, MAX_OVERLAP_SECONDS),
    )
    .option(
      '--drain-seconds <seconds>',
      'how long it stays valid after the first use of the new one (default: an hour)',
      wholeNumber(0, MAX_DRAIN_SECONDS),
    )
    .addHelpText(
      'after',
      '\n`self` is the token in use: it must have been minted with --scope tokens:rotate.\nAfter a lost answer rotate again: while the successor is unused, that replaces its secret and nothing else.',
    )
    .action(exitsWith(async (id: string, flags: RotateFlags) => (await import('./rotate.js')).rotate(id, flags)));
}

function addRevoke(token: Command): void {
  addCommand(
    token,
    'revoke [id]',
    'revoke a token, `self`, or every token in a text on standard input, for good',
    `countersign token revoke tok_01KfUXmCbVYz8sQ2dW3nRk --reason leaked
countersign token revoke --stdin < leaked.log`,
  )
    .addOption(reasonOption('why; needed with an id'))
    .option('--note <text>', 'more of why, for the audit trail')
    .option('--stdin', 'find tokens on standard input and revoke each; needs no login')
    .action(
      exitsWith(async (id: string | undefined, flags: RevokeFlags) => (await import('./revoke.js')).revoke(id, flags)),
    );
}

function addRevokeAll(program: Command): void {
  addCommand(
    program,
    'revoke-all',
    'the panic button: revoke many tokens in one transaction',
    `countersign revoke-all --workflow codex-review --reason leaked --dry-run
countersign revoke-all --issued-before 2026-01-31 --reason leaked --yes`,
  )
    .option('--workflow <label>', 'all of this workflow')
    .option('--creator <member>', 'all minted by this member (id or e-mail address)')
    .option('--lineage <id>', 'a token and all that were rotated from it')
    .option('--issued-before <time>', 'all minted before a day or an RFC 3339 time', parseInstant)
    .option('--workspace', 'all of the workspace')
    .addOption(reasonOption('why; needed'))
    .option('--dry-run', 'only count')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nGive exactly one of the first five. At a terminal it counts them and asks before it revokes.',
    )
    .action(exitsWith(async (flags: RevokeAllFlags) => (await import('./revoke-all.js')).revokeAll(flags)));
}

function reasonOption(what: string): Option {
  return new Option('--reason <reason>', what).choices(REVOKE_REASONS);
}
