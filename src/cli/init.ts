import { readConfig } from '../config.js';
import { isWorkflowLabel } from '../rules/workflow.js';
import { createWorkspace } from '../store/workspaces.js';
import { email } from '../wire/members.js';
import { HostRefusal } from './host-refusal.js';
import { print, printJson, say } from './output.js';
import { shownSignIn } from './sign-in.js';
import { UsageError } from './usage-error.js';
import { visit } from './visit.js';

/** Makes a workspace, its owner and a token of 7 days, printed once. */
export async function runInit(flags: { workspace: string; ownerEmail: string; json?: true }): Promise<number> {
  const slug = flags.workspace;
  // A slug is written like a label.
  if (!isWorkflowLabel(slug)) {
    throw new UsageError('--workspace takes 1 to 64 of a-z 0-9 . _ -, a letter or digit at both ends');
  }
  const address = email.safeParse(flags.ownerEmail);
  if (!address.success) throw new UsageError('--owner-email takes an e-mail address');
  const signIn = await visit(readConfig(process.env), ({ database, secrets }) =>
    createWorkspace(database.db, secrets, { slug, ownerEmail: address.data }, new Date()),
  );
  if (signIn === undefined) throw new HostRefusal('workspace_exists', `the workspace ${slug} exists already`);
  if (flags.json) {
    printJson(shownSignIn(signIn));
    return 0;
  }
  print(signIn.printed);
  say(`Made the workspace ${slug}. The token of its owner ${address.data} is shown this once; it lives 7 days.`);
  say('Sign in with it: countersign auth login --with-token');
  return 0;
}
