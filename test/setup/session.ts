import { parsePublicId, type SessionId } from '../../src/rules/format.js';
import { inTransaction } from '../../src/store/database.js';
import { startSession } from '../../src/store/sessions.js';
import type { SignIn } from '../../src/store/workspaces.js';
import type { TestService } from './service.js';

/** A person who is signed in on the pages. */
export interface TestSession {
  readonly id: SessionId;
  /** The value of its cookie, a secret. */
  readonly printed: string;
  /** The `Cookie` header that a browser sends. */
  readonly cookie: string;
}

/** Signs somebody in on the pages, as a sign-in would: the owner of the first workspace, a member of it by their public id,
 *  or the owner of another one. */
export async function startTestSession(
  service: TestService,
  who: { readonly memberId?: string; readonly owner?: SignIn } = {},
): Promise<TestSession> {
  const { workspace, member } = who.owner ?? service.owner;
  const memberId = who.memberId === undefined ? member.id : parsePublicId('mem', who.memberId);
  if (memberId === undefined) throw new Error(`${who.memberId} is no member's id`);
  const draft = { workspaceId: workspace.id, memberId, method: 'passkey' } as const;
  const origin = { actorType: 'system', actorId: 'test' } as const;
  const { id, printed } = await inTransaction(service.db.db, (tx) =>
    startSession(tx, service.secrets, draft, origin, service.clock.now()),
  );
  return { id, printed, cookie: `__Host-countersign=${printed}` };
}
