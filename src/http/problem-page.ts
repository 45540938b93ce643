import { CONFLICTS, PROBLEMS, type ProblemKind } from '../wire/problems.js';
import { type Html, html, inline } from './html.js';
import { type Page, page } from './page.js';

/** The page at a problem's type URI: what it means and what to do. RFC 9457 section 3.1.1. */
export function problemPage(kind: ProblemKind): Page {
  const { title, status, meaning, whatToDo } = PROBLEMS[kind];
  const body = html`<main class="shell narrow"><p class="soft">Countersign · problem</p>
<h1>${title}</h1>
<p class="soft">Status ${status}</p>
<p>${inline(meaning)}</p>
<h4>What to do</h4>
<p>${inline(whatToDo)}</p>
${kind === 'conflict' ? conflictTable() : undefined}
<p><a href="/docs#refusals">All of the interface</a></p></main>`;
  return page(`${title} (${status})`, body);
}

function conflictTable(): Html {
  const rows = Object.entries(CONFLICTS).map(
    ([code, one]) =>
      html`<tr><td><code>${code}</code></td><td>${inline(one.meaning)}</td><td>${inline(one.whatToDo)}</td></tr>`,
  );
  return html`<h4>Codes</h4><table><thead><tr><th>Code</th><th>Meaning</th><th>What to do</th></tr></thead><tbody>${rows}</tbody></table>`;
}
