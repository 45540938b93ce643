import type { Command } from 'commander';
import type { ExchangeFlags } from './auth-exchange.js';
import { addCommand, addGroup, exitsWith } from './command.js';
import { addFederationOptions } from './federation-options.js';
import type { LoginFlags } from './login.js';
import type { LogoutFlags } from './logout.js';

/** Who this machine's user is to the service. */
export function addAuthCommands(program: Command): void {
  const auth = addGroup(program, 'auth', 'sign in and out');

  addCommand(
    auth,
    'login',
    'sign in to the service in COUNTERSIGN_URL and remember it',
    `countersign auth login
countersign auth login --with-token < .countersign/owner.token
COUNTERSIGN_URL=https://countersign.acme.example countersign auth login --with-token < token.txt`,
  )
    .option('--with-token', 'read a token from standard input')
    .addHelpText(
      'after',
      `
Without --with-token it shows a code. Somebody who is signed in on the service's pages, on any device, types it there and
sees what is asked; then this machine is signed in as that person, for 12 hours at most.`,
    )
    .action(
      exitsWith(async (flags: LoginFlags) =>
        flags.withToken
          ? (await import('./login.js')).login(flags)
          : (await import('./device-login.js')).deviceLogin(flags),
      ),
    );

  addCommand(
    auth,
    'logout',
    'forget the stored login, and end its token if it was made for it',
    'countersign auth logout',
  )
    .option('--keep', 'let the token be valid until it expires')
    .action(exitsWith(async (flags: LogoutFlags) => (await import('./logout.js')).logout(flags)));

  addCommand(
    auth,
    'status',
    'say who is signed in, where, and until when; exit 1 when nobody is',
    'countersign auth status',
  ).action(exitsWith(async (flags: { json?: true }) => (await import('./auth-status.js')).showAuthStatus(flags)));

  addCommand(
    auth,
    'token',
    'print the token that commands use, for another program',
    'curl -H @<(printf \'Authorization: Bearer %s\' "$(countersign auth token)") http://127.0.0.1:8787/v1/me',
  ).action(exitsWith(async (flags: { json?: true }) => (await import('./auth-token.js')).printAuthToken(flags)));

  addFederationOptions(
    addCommand(
      auth,
      'exchange',
      'exchange the token that a CI platform gives this job for one of the service, and print it',
      `countersign auth exchange > token                            # what the platform is, its variables say
countersign auth exchange --rule acme/api-main --scope codex:exec --json
countersign auth exchange --platform generic < id-token.jwt`,
    ).option('--scope <scope...>', 'narrow the token to these scopes'),
  )
    .addHelpText(
      'after',
      `
Needs no login: a trust rule of a workspace says which jobs get a token (\`countersign trust-rule --help\`). To run a
command with it, \`countersign exec --federated\` does both, and keeps the token from the command.

Exits 77 when the service says no, 69 when it or the platform is out of reach.`,
    )
    .action(exitsWith(async (flags: ExchangeFlags) => (await import('./auth-exchange.js')).exchange(flags)));

  addCommand(program, 'whoami', 'show who you are and what you may do', 'countersign whoami').action(
    exitsWith(async (flags: { json?: true }) => (await import('./whoami.js')).showMe(flags)),
  );
}
