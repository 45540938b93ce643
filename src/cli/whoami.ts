import { signedInClient } from './client.js';
import { timeIn } from './instant.js';
import { outputView, print, printJson } from './output.js';
import { renderDetails } from './table.js';

/** `whoami`: the member behind the token, and what it may do. */
export async function showMe(flags: { json?: true }): Promise<number> {
  const me = await (await signedInClient()).me();
  if (flags.json) {
    printJson(me);
    return 0;
  }
  const view = outputView();
  const lines = renderDetails(
    [
      ['member', me.email],
      ['name', me.name],
      ['id', me.id],
      ['role', me.role],
      ['workspace', `${me.workspace.slug} (${me.workspace.id})`],
      ['may', me.permissions.join(' ')],
      ['token', me.token.id],
      ['workflow', me.token.workflow],
      ['expires', timeIn(view, me.token.expires_at, new Date())],
    ],
    view,
  );
  for (const line of lines) print(line);
  return 0;
}
