import { openApiDocument } from '../src/wire/openapi.js';
import { CONFLICTS, PROBLEMS, problemKinds, problemSlug } from '../src/wire/problems.js';

/** A file of this folder that is made from the code and committed. */
export interface GeneratedFile {
  readonly name: string;
  readonly text: string;
}

/** What the generated files must hold. The same code gives the same bytes. */
export function generatedFiles(): GeneratedFile[] {
  return [
    { name: 'openapi.json', text: `${JSON.stringify(openApiDocument(), null, 2)}\n` },
    { name: 'problems.md', text: problemsMarkdown() },
  ];
}

function problemsMarkdown(): string {
  const problems = problemKinds().flatMap((kind) => {
    const { title, status, meaning, whatToDo } = PROBLEMS[kind];
    return [`## ${problemSlug(kind)}`, `**${status} ${title}.** ${meaning}`, `_What to do:_ ${whatToDo}`];
  });
  const conflicts = Object.entries(CONFLICTS).flatMap(([code, { meaning, whatToDo }]) => [
    `### ${code}`,
    meaning,
    `_What to do:_ ${whatToDo}`,
  ]);
  const paragraphs = [
    '# Problems',
    '<!-- Made from src/wire/problems.ts by `npm run openapi`. -->',
    'What each problem type means and what to do about it. A problem is RFC 9457 `application/problem+json`; its `type` is `<issuer>/problems/<name>`, and the names are the headings below. Programs decide by `type` and, on a conflict, by `code`; `title` and `detail` are for people. Under `/oauth2/` errors have the form of RFC 6749 section 5.2 instead.',
    ...problems,
    '## Codes of a conflict',
    ...conflicts,
  ];
  return `${paragraphs.join('\n\n')}\n`;
}
