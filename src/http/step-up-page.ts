import { printId } from '../rules/format.js';
import type { SignedIn } from '../store/sessions.js';
import type { StepUpRow } from '../store/step-ups.js';
import { type Html, html } from './html.js';
import { type Page, page } from './page.js';
import { STEP_UP_SCRIPT } from './passkey-script.js';
import { stepUpPath } from './present-step-up.js';
import { FORM_TOKEN } from './session.js';

/** What the page shows of a step-up. */
export interface StepUpView {
  readonly row: StepUpRow;
  readonly tokenName: string | null;
  readonly isOpen: boolean;
  readonly by: SignedIn;
  /** Where passkeys work. */
  readonly origin: string;
  readonly formToken: string;
}

/** Where a person sees what a token of theirs is about to do, and says yes with a passkey, or no. */
export function stepUpPage(view: StepUpView): Page {
  const { row, tokenName, by, origin, isOpen } = view;
  const name = tokenName === null ? undefined : html`<strong>${tokenName}</strong>, `;
  const body = html`<main class="shell narrow" data-origin="${origin}"><p class="soft">Countersign · confirm</p>
<h1>Confirm with your passkey?</h1>
<p>A token of yours asks to</p>
<p><code>${row.act}</code></p>
<table class="fields"><tbody>
<tr><td>Token</td><td>${name}<code>${printId('tok', row.tokenId)}</code></td></tr>
<tr><td>From the address</td><td><code>${row.ip ?? 'unknown'}</code></td></tr>
<tr><td>Since</td><td>${row.createdAt.toISOString()}</td></tr>
<tr><td>For</td><td>${by.member.email} in the workspace ${by.workspace.slug}</td></tr>
</tbody></table>
<p>The words are the token’s own. If you confirm, it may do this and any other dangerous act of yours for five minutes: revoke tokens by
the dozen, change owners and admins, trust rules, the policy and passkeys, and mint tokens that may do the same.</p>
<p><strong>If you did not start this yourself just now, deny it</strong>, and revoke the token.</p>
${isOpen ? decision(view) : html`<p>It has been decided about, or has expired.</p>`}
<p id="say" role="status"></p></main>`;
  return page('Confirm with your passkey?', body, isOpen ? { hasForms: true, script: STEP_UP_SCRIPT } : {});
}

function decision({ row, formToken }: StepUpView): Html {
  const path = stepUpPath(row);
  return html`<div id="decide">
<p><button id="confirm" type="button" data-path="${path}" data-form-token="${formToken}" hidden>Confirm with a passkey</button></p>
<noscript><p>A browser uses passkeys by script alone: allow scripts for this page to confirm. Denying works without.</p></noscript>
<form method="post" action="${path}/deny"><input type="hidden" name="${FORM_TOKEN}" value="${formToken}">
<p><button type="submit">Deny</button></p></form>
</div>`;
}

/** What is shown to somebody of whom nothing is asked there: a person may be signed in in another workspace than that of the
 *  token. `signIn` leads to the sign-in page and back. */
export function notAskedPage({ member, workspace }: SignedIn, signIn: string): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign · confirm</p>
<h1>Nothing is asked of you here</h1>
<p>You are signed in as <strong>${member.email}</strong> in the workspace <strong>${workspace.slug}</strong>. What a token of another
workspace asks is shown to who is signed in there.</p>
<p><a href="${signIn}">Sign in as somebody else, or in another workspace</a></p></main>`;
  return page('Nothing is asked of you here', body);
}

/** What is shown after a no. */
export function deniedPage(row: Pick<StepUpRow, 'tokenId'>): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign · confirm</p>
<h1>Denied</h1>
<p>The token learns it when it asks next. If you did not start this yourself, somebody else may have the token: revoke it.</p>
<pre><code>countersign token revoke ${printId('tok', row.tokenId)} --reason leaked</code></pre></main>`;
  return page('Denied', body);
}
