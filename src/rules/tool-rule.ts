/** What a rule says of a tool call that it matches. `ask` leaves it to a person, and where nobody can be asked it denies. */
export type ToolVerdict = 'allow' | 'deny' | 'ask';

/** One line of a workflow's tool rules. The first that matches decides. `tool` is a glob over the tool's name; `argument`,
 *  where there is one, names a member of the tool's input and a glob over its text. */
export interface ToolRule {
  readonly verdict: ToolVerdict;
  readonly tool: string;
  readonly argument?: { readonly name: string; readonly pattern: string } | undefined;
  readonly reason?: string | undefined;
}
