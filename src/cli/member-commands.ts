import { Argument, type Command, Option } from 'commander';
import { ROLES } from '../rules/role.js';
import type { Role } from '../sdk/index.js';
import { addCommand, addGroup, exitsWith, wholeNumber } from './command.js';
import { onHost } from './host-commands.js';
import type { AddFlags } from './member-add.js';

/** The people of the workspace. A member is named by id or e-mail address. */
export function addMemberCommands(program: Command): void {
  const member = addGroup(program, 'member', 'invite, change, suspend and remove people');
  addJoining(member);
  addStanding(member);
}

function addJoining(member: Command): void {
  addCommand(member, 'list', 'list members, oldest first', 'countersign member list')
    .option('--limit <n>', 'at most so many (default: all)', wholeNumber(1, 1_000_000))
    .action(
      exitsWith(async (flags: { limit?: number; json?: true }) => (await import('./members.js')).listMembers(flags)),
    );

  addCommand(
    member,
    'add <email>',
    'invite a person; only the invitation goes to standard output',
    'countersign member add grace@acme.example --role admin > invitation.txt',
  )
    .addOption(new Option('--role <role>', 'what they may do').choices(ROLES).default('member'))
    .option('--name <name>', 'their name')
    .addHelpText(
      'after',
      '\nAn owner may do everything; an admin everything but to owners and other admins; a member mints, rotates and revokes\nown tokens; an auditor reads everything and changes nothing.',
    )
    .action(
      exitsWith(async (email: string, flags: AddFlags) => (await import('./member-add.js')).addMember(email, flags)),
    );

  addCommand(
    member,
    'accept',
    'accept the invitation on standard input and sign in',
    'countersign member accept < invitation.txt',
  ).action(exitsWith(async (flags: { json?: true }) => (await import('./member-accept.js')).acceptInvitation(flags)));

  addCommand(
    member,
    'recover <email>',
    'on the host, with the database at hand: a fresh token for a member',
    'countersign member recover ada@acme.example > owner.token',
  )
    .option('--workspace <slug>', 'the workspace, if the address is in several')
    .option('--remove-passkeys', 'forget all passkeys of that member, when they are lost')
    .action(
      onHost(async (email: string, flags: { workspace?: string; removePasskeys?: true; json?: true }) =>
        (await import('./recover.js')).runRecover(email, flags),
      ),
    );
}

function addStanding(member: Command): void {
  addCommand(
    member,
    'set-role <member>',
    'change what a member may do',
    'countersign member set-role grace@acme.example auditor',
  )
    .addArgument(new Argument('<role>', 'what they may do').choices(ROLES))
    .action(
      exitsWith(async (who: string, role: Role, flags: { json?: true }) =>
        (await import('./members.js')).setRole(who, role, flags),
      ),
    );

  addCommand(
    member,
    'suspend <member>',
    'make all tokens made by a member inactive, at once',
    'countersign member suspend grace@acme.example',
  ).action(
    exitsWith(async (who: string, flags: { json?: true }) => (await import('./members.js')).suspendMember(who, flags)),
  );

  addCommand(
    member,
    'reactivate <member>',
    'end a suspension',
    'countersign member reactivate grace@acme.example',
  ).action(
    exitsWith(async (who: string, flags: { json?: true }) =>
      (await import('./members.js')).reactivateMember(who, flags),
    ),
  );

  addCommand(
    member,
    'remove <member>',
    'remove a member and revoke all tokens made by that person',
    'countersign member remove grace@acme.example',
  ).action(
    exitsWith(async (who: string, flags: { json?: true }) => (await import('./members.js')).removeMember(who, flags)),
  );
}
