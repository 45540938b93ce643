import { type Introspection, ProblemError } from '../sdk/index.js';
import { clientFor } from './client.js';
import { cleanToken, readConnection } from './connection.js';
import { constraintLines } from './constraint-flags.js';
import { timeIn } from './instant.js';
import { outputView, print, printJson } from './output.js';
import { readSecret } from './stdin.js';
import { renderDetails } from './table.js';

/** `token introspect`: asks about the token on standard input. Without a login the token asks about itself. */
export async function introspect(flags: { json?: true }): Promise<number> {
  const { url, token: own } = await readConnection();
  const subject = cleanToken(
    await readSecret('the token', 'countersign token introspect < token.txt'),
    'standard input',
  );
  const answer = own === undefined ? await askItself(url, subject) : await clientFor(url, own).introspect(subject);
  if (flags.json) printJson(answer);
  else printAnswer(answer);
  return answer.active ? 0 : 1;
}

async function askItself(url: string, token: string): Promise<Introspection> {
  try {
    return await clientFor(url, token).introspect(token);
  } catch (error) {
    if (error instanceof ProblemError && error.status === 401) return { active: false };
    throw error;
  }
}

function printAnswer(answer: Introspection): void {
  if (!answer.active) {
    print('not active');
    return;
  }
  const view = outputView();
  const time = (seconds: number) => timeIn(view, new Date(seconds * 1000).toISOString(), new Date());
  const lines = renderDetails(
    [
      ['active', 'yes'],
      ['id', answer.jti],
      ['workspace', answer.workspace],
      ['workflow', answer.workflow],
      ['scopes', answer.scope],
      ...answer.authorization_details.flatMap(({ type: _, ...constraints }) => constraintLines(constraints)),
      ['creator', `${answer.username} (${answer.sub})`],
      ['issued', time(answer.iat)],
      ['expires', time(answer.exp)],
      ['superseded by', answer.superseded_by],
    ],
    view,
  );
  for (const line of lines) print(line);
}
