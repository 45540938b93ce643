import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type MemberId, parsePublicId, printId, type WorkspaceId } from '../rules/format.js';
import { addSeconds } from '../rules/lifetime.js';
import { LINK_SECONDS } from '../rules/passkey.js';
import { accept, type Result, refuse } from '../rules/refusal.js';
import { isSessionAlive } from '../rules/session.js';
import { isActive } from '../rules/token.js';
import { listPasskeys, type PasskeyLink, type PasskeyRow } from '../store/passkeys.js';
import { findPerson, type Person } from '../store/people.js';
import { wasTaken } from '../store/seen.js';
import { findSessionById } from '../store/session-ends.js';
import type { Deps } from './deps.js';
import { pagesUrl } from './pages-url.js';

/** Where the link to add a passkey leads. What the link is worth stands behind the `#`, which no browser sends. */
export const ADD_PATH = '/console/passkeys/add';

/** Who asks for a link: a person, by a token or on a page. */
export interface LinkAsker {
  readonly workspaceId: WorkspaceId;
  readonly memberId: MemberId;
  /** The public id of the token or of the session. */
  readonly via: string;
}

/** A link that was opened, and whom it is for. */
export interface OpenedLink extends PasskeyLink {
  readonly person: Person;
  /** What the passkey is going to be called. */
  readonly name: string;
  readonly known: readonly PasskeyRow[];
}

const carried = z.object({
  id: z.string(),
  workspace: z.string(),
  member: z.string(),
  via: z.string(),
  name: z.string(),
  confirmed: z.boolean(),
  exp: z.number(),
});

/** Makes a link that adds one passkey for the person who asks. The service keeps nothing of it. `isConfirmed`: the person
 *  has another passkey, which has confirmed it. */
export async function makeLink(
  { seals, issuer }: Deps,
  { workspaceId, memberId, via }: LinkAsker,
  { name, isConfirmed }: { readonly name: string; readonly isConfirmed: boolean },
  now: Date,
): Promise<{ readonly url: string; readonly expiresAt: Date }> {
  const expiresAt = addSeconds(now, LINK_SECONDS);
  const payload = {
    id: randomBytes(16).toString('base64url'),
    workspace: printId('ws', workspaceId),
    member: printId('mem', memberId),
    via,
    name,
    confirmed: isConfirmed,
  };
  const sealed = await seals.seal('passkey-link', payload, expiresAt);
  return { url: `${pagesUrl(issuer)}${ADD_PATH}#${sealed}`, expiresAt };
}

/** Opens a link, as long as it was not used, the person may act and what asked for it is good. Refuses `not_allowed`, whatever is wrong. */
export async function openLink(deps: Deps, text: string, now: Date): Promise<Result<OpenedLink>> {
  const opened = carried.safeParse(await deps.seals.open('passkey-link', text, now));
  if (!opened.success) return stale();
  const { id, workspace, member, via, name, confirmed, exp } = opened.data;
  const [workspaceId, memberId] = [parsePublicId('ws', workspace), parsePublicId('mem', member)];
  if (workspaceId === undefined || memberId === undefined) return stale();
  const found = await askedBy(deps, { workspaceId, memberId, via }, now);
  if (found === undefined) return stale();
  // Before an authenticator makes what would be refused. Who comes at the same moment is told when it is used.
  if ((found.known.length > 0 && !confirmed) || (await wasTaken(deps.db, 'passkey_link', id))) return stale();
  const expiresAt = new Date(exp * 1000);
  return accept({ id, isConfirmed: confirmed, expiresAt, via, name, ...found });
}

async function askedBy(
  deps: Deps,
  asker: LinkAsker,
  now: Date,
): Promise<{ readonly person: Person; readonly known: readonly PasskeyRow[] } | undefined> {
  if (!((await isGoodToken(deps, asker, now)) || (await isGoodSession(deps, asker, now)))) return undefined;
  const { workspaceId, memberId } = asker;
  const person = await findPerson(deps.db, workspaceId, memberId);
  return person && { person, known: await listPasskeys(deps.db, workspaceId, memberId) };
}

async function isGoodToken({ lookup }: Deps, { workspaceId, memberId, via }: LinkAsker, now: Date): Promise<boolean> {
  const id = parsePublicId('tok', via);
  const token = id && (await lookup.find(id));
  const isTheirs = token?.facts.workspaceId === workspaceId && token.facts.creatorId === memberId;
  return token !== undefined && isTheirs && isActive(token.facts, now);
}

async function isGoodSession({ db }: Deps, { workspaceId, memberId, via }: LinkAsker, now: Date): Promise<boolean> {
  const id = parsePublicId('ses', via);
  const session = id && (await findSessionById(db, workspaceId, id));
  return session?.memberId === memberId && isSessionAlive(session, now);
}

function stale() {
  const detail = 'the link is not good any more; ask for a new one with countersign passkey add';
  return refuse({ kind: 'not_allowed', detail });
}
