import type { Client, Revocation, RevocationRequest, RevokeReason } from '../sdk/index.js';
import { signedInClient } from './client.js';
import { confirm } from './confirm.js';
import { isInteractive, print, printJson, say } from './output.js';
import { memberId } from './people.js';
import { printable } from './printable.js';
import { retryWhenLost } from './retry.js';
import { requireReason } from './revoke.js';
import { UsageError } from './usage-error.js';

export interface RevokeAllFlags {
  workflow?: string;
  creator?: string;
  lineage?: string;
  issuedBefore?: string;
  workspace?: true;
  reason?: RevokeReason;
  dryRun?: true;
  yes?: true;
  json?: true;
}

const SELECTORS = ['workflow', 'creator', 'lineage', 'issuedBefore', 'workspace'] as const;

/** `revoke-all`: counts, asks, revokes. On a terminal the person sees the count before saying yes. */
export async function revokeAll(flags: RevokeAllFlags): Promise<number> {
  const reason = requireReason(flags.reason);
  if (SELECTORS.filter((selector) => flags[selector] !== undefined).length !== 1) {
    throw new UsageError('give exactly one of --workflow, --creator, --lineage, --issued-before, --workspace');
  }
  if (!flags.dryRun && !flags.yes && !isInteractive()) {
    throw new UsageError('there is no terminal to ask at: give --yes to go ahead, or --dry-run to count');
  }
  const client = await signedInClient();
  const request = await requestOf(client, flags, reason);
  if (flags.dryRun) {
    report(await client.tokens.revokeMany({ ...request, dry_run: true }), 'would be revoked', flags);
    return 0;
  }
  if (!flags.yes && !(await isConfirmed(client, request))) {
    say('Nothing was revoked.');
    return 1;
  }
  report(await retryWhenLost(() => client.tokens.revokeMany(request)), 'revoked', flags);
  return 0;
}

async function requestOf(client: Client, flags: RevokeAllFlags, reason: RevokeReason): Promise<RevocationRequest> {
  return {
    reason,
    workflow: flags.workflow,
    creator_id: flags.creator && (await memberId(client, flags.creator)),
    lineage_id: flags.lineage,
    issued_before: flags.issuedBefore,
    workspace: flags.workspace,
  };
}

async function isConfirmed(client: Client, request: RevocationRequest): Promise<boolean> {
  const { revoked } = await client.tokens.revokeMany({ ...request, dry_run: true });
  const slug = (await client.me()).workspace.slug;
  const word = request.workspace ? slug : 'yes';
  return await confirm(`${revoked} tokens of workspace ${printable(slug)} will be revoked, for good.`, word);
}

function report(revocation: Revocation, verb: string, flags: RevokeAllFlags): void {
  if (flags.json) {
    printJson(revocation);
    return;
  }
  for (const id of revocation.token_ids) print(id);
  const unlisted = revocation.revoked - revocation.token_ids.length;
  say(`${revocation.revoked} ${verb}${unlisted > 0 ? `, ${unlisted} of them not listed` : ''}.`);
}
