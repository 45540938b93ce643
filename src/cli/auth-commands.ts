import type { Command } from 'commander';
import { addCommand, addGroup, exitsWith } from './command.js';
import type { LoginFlags } from './login.js';

/** Who this machine's user is to the service. */
export function addAuthCommands(program: Command): void {
  const auth = addGroup(program, 'auth', 'sign in and out');

  addCommand(
    auth,
    'login',
    'sign in to the service in COUNTERSIGN_URL and remember it',
    `countersign auth login --with-token < .countersign/owner.token
COUNTERSIGN_URL=https://countersign.acme.example countersign auth login --with-token < token.txt`,
  )
    .option('--with-token', 'read a token from standard input')
    .action(exitsWith(async (flags: LoginFlags) => (await import('./login.js')).login(flags)));

  addCommand(auth, 'logout', 'forget the stored login', 'countersign auth logout').action(
    exitsWith(async (flags: { json?: true }) => (await import('./logout.js')).logout(flags)),
  );

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

  addCommand(program, 'whoami', 'show who you are and what you may do', 'countersign whoami').action(
    exitsWith(async (flags: { json?: true }) => (await import('./whoami.js')).showMe(flags)),
  );
}
