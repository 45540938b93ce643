import { type Me, ProblemError } from '../sdk/index.js';
import { clientFor } from './client.js';
import { type Connection, readConnection } from './connection.js';
import { timeIn } from './instant.js';
import { readLogins, workspacesAt } from './login-file.js';
import { outputView, print, printJson, say } from './output.js';
import { renderDetails } from './table.js';

/** `auth status`: whether the token at hand is good, and whose it is. Exit 1 when it is not, or there is none. */
export async function showAuthStatus(flags: { json?: true }): Promise<number> {
  const connection = await readConnection();
  const me = await whoIs(connection);
  const workspaces = workspacesAt(await readLogins(process.env), connection.url);
  if (flags.json) {
    printJson({
      url: connection.url,
      is_signed_in: me !== undefined,
      source: connection.source ?? null,
      email: me?.email ?? null,
      role: me?.role ?? null,
      workspace: me?.workspace.slug ?? null,
      workspaces,
      token_id: me?.token.id ?? null,
      expires_at: me?.token.expires_at ?? null,
    });
  } else if (me) {
    printStatus(connection, me, workspaces);
  } else {
    say(whyNot(connection));
  }
  return me ? 0 : 1;
}

async function whoIs({ url, token }: Connection): Promise<Me | undefined> {
  if (token === undefined) return undefined;
  try {
    return await clientFor(url, token).me();
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return undefined;
    throw error;
  }
}

function printStatus(connection: Connection, me: Me, workspaces: readonly string[]): void {
  const others = workspaces.filter((slug) => slug !== me.workspace.slug);
  const view = outputView();
  const lines = renderDetails(
    [
      ['service', connection.url],
      ['member', me.email],
      ['role', me.role],
      ['workspace', me.workspace.slug],
      ['also signed in to', others.join(', ')],
      ['token', me.token.id],
      ['from', connection.source],
      ['expires', timeIn(view, me.token.expires_at, new Date())],
    ],
    view,
  );
  for (const line of lines) print(line);
}

function whyNot({ url, token, source }: Connection): string {
  if (token === undefined) return `Not signed in to ${url}: there is no token.`;
  return `Not signed in to ${url}: the token from ${source} is expired, revoked, superseded, held back, or of another service.`;
}
