import { printId } from '../rules/format.js';
import type { SessionRow, SignedIn } from '../store/sessions.js';
import { type Html, html } from './html.js';
import { type Page, page } from './page.js';
import { FORM_TOKEN } from './session.js';

/** Who is signed in, where, and in which sessions. `formToken` is that of the session. */
export function consolePage(current: SignedIn, sessions: readonly SessionRow[], formToken: string): Page {
  const { member, workspace } = current;
  const token = html`<input type="hidden" name="${FORM_TOKEN}" value="${formToken}">`;
  const body = html`<main class="shell narrow"><p class="soft">Countersign</p>
<h1>${member.name ?? member.email}</h1>
<p>Signed in as <strong>${member.email}</strong> in the workspace <strong>${workspace.slug}</strong>, with the role <strong>${member.role}</strong>.</p>
<form method="post" action="/console/sign-out">${token}<button type="submit">Sign out</button></form>
<section><h2>On your devices</h2>
<p><a href="/console/device">Approve a device</a> that shows a code: <code>countersign auth login</code> asks for it.</p>
<form method="post" action="/console/passkeys">${token}<button type="submit">Add a passkey</button></form>
<p class="soft"><code>countersign passkey list</code> shows those that you have.</p></section>
<section><h2>Your sessions</h2>
<p>Ending one also revokes the tokens that were approved in it.</p>
<table><thead><tr><th>When</th><th>From</th><th></th></tr></thead>
<tbody>${sessions.map((one) => sessionRow(one, one.id === current.session.id, token))}</tbody></table>
${sessions.length > 1 ? endOthers(token) : undefined}</section></main>`;
  return page('Countersign', body, { hasForms: true });
}

function sessionRow(one: SessionRow, isThis: boolean, token: Html): Html {
  const end = html`<form method="post" action="/console/sessions/end">${token}
<button type="submit" name="session" value="${printId('ses', one.id)}">End</button></form>`;
  return html`<tr><td>since ${shown(one.createdAt)}<span class="limits">last used ${shown(one.lastUsedAt)}</span></td>
<td>${one.ip ?? 'an unknown address'}<span class="limits">${one.userAgent ?? ''}</span></td>
<td>${isThis ? 'this one' : end}</td></tr>`;
}

function endOthers(token: Html): Html {
  return html`<form method="post" action="/console/sessions/end">${token}
<button type="submit" name="session" value="others">End all others</button></form>`;
}

function shown(at: Date): string {
  return at.toISOString().slice(0, 16).replace('T', ' ').concat(' UTC');
}
