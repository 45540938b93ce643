import { type Html, html } from './html.js';
import { type Page, page } from './page.js';
import { ADD_SCRIPT } from './passkey-script.js';

/** Where a person adds a passkey. Who that is, the script asks with the secret at the end of the address. */
export function addPasskeyPage(origin: string): Page {
  const body = html`<main class="shell narrow" data-origin="${origin}"><p class="soft">Countersign · passkeys</p>
<h1>Add a passkey</h1>
<noscript><p>A browser uses passkeys by script alone: allow scripts for this page.</p></noscript>
<div id="asked" hidden>
<p>A passkey for <strong id="who"></strong> in the workspace <strong id="where"></strong>, to be called <strong id="what"></strong>.
Whoever holds it, and can unlock it, signs in as this person and confirms dangerous acts.</p>
<p>If that is not you, or you did not ask for it, close this page.</p>
<p><button id="add" type="button" hidden>Add a passkey</button></p>
</div>
<p id="say" role="status"></p></main>`;
  return page('Add a passkey', body, { script: ADD_SCRIPT });
}

/** The part of the sign-in page that is about passkeys. Its script is `SIGN_IN_SCRIPT`. */
export function passkeySection(returnTo: string): Html {
  return html`<section>
<p><button id="passkey" type="button" data-return-to="${returnTo}" hidden>Sign in with a passkey</button></p>
<noscript><p>A browser uses passkeys by script alone: allow scripts for this page.</p></noscript>
<p class="soft">No passkey yet? <code>countersign passkey add</code> gives the link to add one.</p>
<p id="say" role="status"></p>
</section>`;
}
