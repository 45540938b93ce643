import { type Client, everyPage, type Person, ProblemError } from '../sdk/index.js';

/** Finds the id of a member who is named by id or e-mail address. */
export async function memberId(client: Client, who: string): Promise<string> {
  if (!who.includes('@')) return who;
  for await (const member of everyPage((cursor) => client.members.list({ cursor, limit: 200 }))) {
    if (member.email.toLowerCase() === who.toLowerCase()) return member.id;
  }
  throw new ProblemError({ status: 404, kind: 'not-found', detail: `there is no member ${who}` });
}

/** Names a person. */
export function personText(person: Person): string {
  return person.name ? `${person.name} <${person.email}>` : person.email;
}
