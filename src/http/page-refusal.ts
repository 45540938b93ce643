import { PROBLEMS } from '../wire/problems.js';
import type { Answer } from './exchange.js';
import { html } from './html.js';
import { scrub } from './log.js';
import { pageAnswer as answerWith, page } from './page.js';
import type { Refused } from './refuse.js';

/** Answers a refusal of a page, for a person to read. */
export function pageAnswer(refused: Refused): Answer {
  const { title, status } = PROBLEMS[refused.kind];
  const body = html`<main class="shell narrow"><p class="soft">Countersign</p>
<h1>${title}</h1>
<p>${scrub(refused.detail)}</p></main>`;
  const answer = answerWith(page(title, body), status);
  return { ...answer, headers: { ...answer.headers, ...refused.headers } };
}
