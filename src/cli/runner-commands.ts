import { type Command, InvalidArgumentError } from 'commander';
import { RUNNER_EXPIRY_DAYS } from '../rules/runner.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import type { ApproveFlags } from './runner-approve.js';
import type { JoinFlags } from './runner-join.js';

type Flags = { json?: true };

/** Trusted runners: hosts that prove themselves with a key. One is named by id or name. */
export function addRunnerCommands(program: Command): void {
  const runner = addGroup(program, 'runner', 'trust hosts that prove themselves; suspend and remove them');
  addHost(runner);
  addApproval(runner);
  addStanding(runner);
}

function addHost(runner: Command): void {
  addCommand(
    runner,
    'join',
    'on a host: make a key, show a code, and wait until somebody approves it',
    'countersign runner join --name build-1 --label linux gpu --url https://countersign.acme.example',
  )
    .option('--name <name>', "what it is called (default: this machine's name)")
    .option('--label <label...>', 'what constraints may name it by')
    .option('--url <url>', 'the service (default: COUNTERSIGN_URL)')
    .addHelpText(
      'after',
      `
The key never leaves this host. It is kept with the token, for this user alone, under ~/.local/state/countersign/runners
(XDG_STATE_HOME), or where COUNTERSIGN_RUNNER_FILE says. Jobs should run as another user: one that runs as this user can
read it.`,
    )
    .action(exitsWith(async (flags: JoinFlags) => (await import('./runner-join.js')).joinRunner(flags)));

  addCommand(runner, 'status', 'on a host: show what it is to the service', 'countersign runner status').action(
    exitsWith(async (flags: Flags) => (await import('./runner-host.js')).showRunnerStatus(flags)),
  );

  addCommand(
    runner,
    'rotate',
    'on a host: take a new token, bound to the same key',
    'countersign runner rotate # from a timer, well before the old one expires',
  )
    .option('--expires-in-days <days>', 'how long it lives (default: as the one before)', expiryDays)
    .action(
      exitsWith(async (flags: Flags & { expiresInDays?: number }) =>
        (await import('./runner-host.js')).rotateRunner(flags),
      ),
    );

  addCommand(runner, 'leave', 'on a host: be a runner no longer', 'countersign runner leave').action(
    exitsWith(async (flags: Flags) => (await import('./runner-host.js')).leaveRunner(flags)),
  );
}

function addApproval(runner: Command): void {
  addCommand(
    runner,
    'approve <code>',
    'make a runner of the host that shows a code',
    'countersign runner approve WDJBM-JHTKX --label linux',
  )
    .option('--name <name>', 'instead of the name that it asks for')
    .option('--label <label...>', 'instead of the labels that it asks for')
    .option('--expires-in-days <days>', 'how long its token lives (default: 90)', expiryDays)
    .option('--yes', 'do not ask back')
    .action(
      exitsWith(async (code: string, flags: ApproveFlags) =>
        (await import('./runner-approve.js')).approveRunner(code, flags),
      ),
    );

  addCommand(
    runner,
    'deny <code>',
    'turn the host away that shows a code',
    'countersign runner deny WDJBM-JHTKX',
  ).action(
    exitsWith(async (code: string, flags: Flags) => (await import('./runner-approve.js')).denyRunner(code, flags)),
  );
}

function addStanding(runner: Command): void {
  addCommand(runner, 'list', 'list runners, oldest first', 'countersign runner list')
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .action(exitsWith(async (flags: Flags & { limit?: number }) => (await import('./runners.js')).listRunners(flags)));

  addCommand(runner, 'show <runner>', 'show a runner', 'countersign runner show build-1').action(
    exitsWith(async (who: string, flags: Flags) => (await import('./runners.js')).showRunner(who, flags)),
  );

  addCommand(
    runner,
    'set <runner>',
    'change what a runner is called, and by what constraints may name it',
    'countersign runner set build-1 --label linux gpu',
  )
    .option('--name <name>', 'its name')
    .option('--label <label...>', 'its labels: replaces the list')
    .action(
      exitsWith(async (who: string, flags: Flags & { name?: string; label?: string[] }) =>
        (await import('./runners.js')).setRunner(who, flags),
      ),
    );

  addCommand(
    runner,
    'suspend <runner>',
    'make its token inactive and end its jobs, at once',
    'countersign runner suspend build-1',
  ).action(exitsWith(async (who: string, flags: Flags) => (await import('./runners.js')).suspendRunner(who, flags)));

  addCommand(runner, 'reactivate <runner>', 'end a suspension', 'countersign runner reactivate build-1').action(
    exitsWith(async (who: string, flags: Flags) => (await import('./runners.js')).reactivateRunner(who, flags)),
  );

  addCommand(
    runner,
    'remove <runner>',
    'revoke its tokens and end its jobs, for good',
    'countersign runner remove build-1',
  ).action(exitsWith(async (who: string, flags: Flags) => (await import('./runners.js')).removeRunner(who, flags)));
}

function expiryDays(text: string): number {
  const days = Number(text);
  if (RUNNER_EXPIRY_DAYS.includes(days)) return days;
  throw new InvalidArgumentError(`Give one of ${RUNNER_EXPIRY_DAYS.join(', ')}.`);
}
