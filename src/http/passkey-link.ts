import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type MemberId, parsePublicId, printId, type TokenId, type WorkspaceId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { LINK_SECONDS } from '../rules/passkey.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import type { TokenFacts } from '../rules/token.js';
import { isActive } from '../rules/token.js';
import { listPasskeys, type PasskeyLink, type PasskeyRow } from '../store/passkeys.js';
import { findPerson, type Person } from '../store/people.js';
import { wasTaken } from '../store/seen.js';
import type { Deps } from './deps.js';
import { pagesUrl } from './pages-url.js';

/** Where the link to add a passkey leads. What the link is worth stands behind the `#`, which no browser sends. */
export const ADD_PATH = '/console/passkeys/add';

/** A link that was opened, and whom it is for. */
export interface OpenedLink extends PasskeyLink {
  readonly person: Person;
  readonly tokenId: TokenId;
  /** What the passkey is going to be called. */
  readonly name: string;
  readonly known: readonly PasskeyRow[];
}

const carried = z.object({
  id: z.string(),
  workspace: z.string(),
  member: z.string(),
  token: z.string(),
  name: z.string(),
  confirmed: z.boolean(),
  exp: z.number(),
});

/** Makes a link that adds one passkey for the person of a token. The service keeps nothing of it. `isConfirmed`: the person
 *  has another passkey, which has confirmed it. */
export async function makeLink(
  { seals, issuer }: Deps,
  caller: TokenFacts,
  { name, isConfirmed }: { readonly name: string; readonly isConfirmed: boolean },
  now: Date,
): Promise<{ readonly url: string; readonly expiresAt: Date }> {
  const expiresAt = addSeconds(now, LINK_SECONDS);
  const payload = {
    id: randomBytes(16).toString('base64url'),
    workspace: printId('ws', caller.workspaceId),
    member: printId('mem', caller.creatorId),
    token: printId('tok', caller.id),
    name,
    confirmed: isConfirmed,
  };
  const sealed = await seals.seal('passkey-link', payload, expiresAt);
  return { url: `${pagesUrl(issuer)}${ADD_PATH}#${sealed}`, expiresAt };
}

/** Opens a link, as long as it was not used, the person may act and the token that asked for it is good. Refuses `not_allowed`, whatever is wrong. */
export async function openLink(deps: Deps, text: string, now: Date): Promise<Result<OpenedLink>> {
  const opened = carried.safeParse(await deps.seals.open('passkey-link', text, now));
  if (!opened.success) return stale();
  const { id, workspace, member, token, name, confirmed, exp } = opened.data;
  const [workspaceId, memberId, tokenId] = [
    parsePublicId('ws', workspace),
    parsePublicId('mem', member),
    parsePublicId('tok', token),
  ];
  if (workspaceId === undefined || memberId === undefined || tokenId === undefined) return stale();
  const found = await askedBy(deps, { workspaceId, memberId, tokenId }, now);
  if (found === undefined) return stale();
  // Before an authenticator makes what would be refused. Who comes at the same moment is told when it is used.
  if ((found.known.length > 0 && !confirmed) || (await wasTaken(deps.db, 'passkey_link', id))) return stale();
  const expiresAt = new Date(exp * 1000);
  return accept({ id, isConfirmed: confirmed, expiresAt, tokenId, name, ...found });
}

async function askedBy(
  { db, lookup }: Deps,
  { workspaceId, memberId, tokenId }: { workspaceId: WorkspaceId; memberId: MemberId; tokenId: TokenId },
  now: Date,
): Promise<{ readonly person: Person; readonly known: readonly PasskeyRow[] } | undefined> {
  const token = await lookup.find(tokenId);
  const isTheirs = token?.facts.workspaceId === workspaceId && token.facts.creatorId === memberId;
  if (token === undefined || !isTheirs || !isActive(token.facts, now)) return undefined;
  const person = await findPerson(db, workspaceId, memberId);
  return person && { person, known: await listPasskeys(db, workspaceId, memberId) };
}

function stale() {
  const detail = 'the link is not good any more; ask for a new one with countersign passkey add';
  return refuse({ kind: 'not_allowed', detail });
}
