import { html } from './html.js';
import { type Page, page } from './page.js';

/** Where the QR code of an enrolling host leads: how its code is approved. The code itself stands behind the # of the
 *  address, which is not sent, so that the page cannot show it. RFC 8628 section 3.3. */
export function approvePage(): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign · trusted runners</p>
<h1>Approve a runner</h1>
<p>A host asks to be trusted as a runner. It shows a code of ten letters, such as <code>WDJBM-JHTKX</code>, and the thumbprint of its key.
If you came here by its QR code, the code is at the end of this page’s address, behind the <code>#</code>.</p>
<h4>What to do</h4>
<p>Somebody who may approve runners, an owner or an admin, runs:</p>
<pre><code>countersign runner approve CODE</code></pre>
<p>It shows which host asks, from which address, and its thumbprint. Compare that with what the host shows, and only then say yes.
A host that you do not know is turned away with <code>countersign runner deny CODE</code>.</p>
<p>The code is good for ten minutes and five tries. It is a secret: whoever has it, and may approve runners anywhere, could make the
host one of theirs.</p></main>`;
  return page('Approve a runner', body);
}
