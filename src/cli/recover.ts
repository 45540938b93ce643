import { readConfig } from '../config.js';
import { findMemberByEmail } from '../store/members.js';
import { listWorkspaces, recoverMember, type WorkspaceRow } from '../store/workspaces.js';
import { HostRefusal } from './host-refusal.js';
import { print, printJson, say } from './output.js';
import { shownSignIn } from './sign-in.js';
import { UsageError } from './usage-error.js';
import { type Visit, visit } from './visit.js';

interface RecoverFlags {
  workspace?: string;
  removePasskeys?: true;
  json?: true;
}

/** Gives a member a fresh token of 7 days, with what the role allows. Whoever may do this holds the database already. */
export async function runRecover(email: string, flags: RecoverFlags): Promise<number> {
  const signIn = await visit(readConfig(process.env), async (host) => {
    const workspace = await workspaceOf(host, email, flags.workspace);
    const recovered = await recoverMember(host.database.db, host.secrets, workspace, email, new Date(), {
      removesPasskeys: flags.removePasskeys === true,
    });
    if (recovered.ok) return recovered.value;
    const { refusal } = recovered;
    const why = refusal.kind === 'conflict' ? refusal.detail : `no member ${email} is in ${workspace.slug}`;
    throw new HostRefusal(refusal.kind, why);
  });
  if (flags.json) {
    printJson(shownSignIn(signIn));
    return 0;
  }
  print(signIn.printed);
  say(
    `A token of ${email} in ${signIn.workspace.slug}, shown this once; it lives 7 days. The audit trail tells of it.`,
  );
  if (flags.removePasskeys)
    say(
      'All passkeys of that member are removed, and the sessions ended: nothing asks for one until another is added.',
    );
  return 0;
}

async function workspaceOf({ database }: Visit, email: string, slug: string | undefined): Promise<WorkspaceRow> {
  const all = await listWorkspaces(database.db);
  const named = slug === undefined ? all : all.filter((one) => one.slug === slug);
  if (named.length === 0)
    throw new HostRefusal('not_found', slug ? `no workspace ${slug}` : 'there is no workspace yet');
  const found = [];
  for (const one of named) if (await findMemberByEmail(database.db, one.id, email)) found.push(one);
  const [first, second] = found;
  if (first === undefined) throw new HostRefusal('not_found', `no member ${email}`);
  if (second === undefined) return first;
  const slugs = found.map((one) => one.slug).join(', ');
  throw new UsageError(`${email} is a member of several: name one with --workspace (${slugs})`);
}
