import { printId } from '../rules/format.js';
import type { SignIn } from '../store/workspaces.js';

/** What `init` and `member recover` print. `token` is a secret. */
export function shownSignIn(signIn: SignIn) {
  return {
    workspace_id: printId('ws', signIn.workspace.id),
    member_id: printId('mem', signIn.member.id),
    token: signIn.printed,
    token_id: printId('tok', signIn.tokenId),
    expires_at: signIn.expiresAt.toISOString(),
  };
}
