import type { SignedIn } from '../store/sessions.js';
import { type Html, html } from './html.js';
import { type Page, page } from './page.js';
import { FORM_TOKEN } from './session.js';

/** Where the forms of a page lead, and what they carry, so that no other site can send them. */
interface PageForm {
  /** The address of the page that asks for a code. */
  readonly home: string;
  readonly formToken: string;
}

/** A device as the person sees it who is asked about it. */
export interface AskedDevice {
  readonly id: string;
  readonly userCode: string;
  /** What it calls itself; its own word. */
  readonly name: string;
  readonly ip: string | undefined;
  readonly askedAt: Date;
  readonly scopes: readonly string[];
  /** What of them the person cannot give. */
  readonly beyond: readonly string[];
  /** Whether the browser is in the network that the device asks from. */
  readonly isNear: boolean;
}

// The code of the QR code stands behind the #, which is not sent: only here it gets into the field. Nothing is sent by itself.
const SCRIPT = `
const code = location.hash.slice(1);
const field = document.querySelector('input[name="user_code"]');
if (field && /^[A-Za-z]{5}-?[A-Za-z]{5}$/.test(code)) field.value = code.toUpperCase();
if (code !== '') history.replaceState(null, '', location.pathname);
`;

/** Asks for the code that a device shows. `fault` says why the one before was not taken. RFC 8628 section 3.3. */
export function devicePage({ member, workspace }: SignedIn, { home, formToken }: PageForm, fault?: string): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign · ${workspace.slug}</p>
<h1>Sign a device in</h1>
${fault === undefined ? undefined : html`<div class="warn" role="alert"><p>${fault}</p></div>`}
<p>You are signed in as <strong>${member.email}</strong>. A device that you sign in acts as you for up to 12 hours.</p>
<form method="post" action="${home}">
<input type="hidden" name="${FORM_TOKEN}" value="${formToken}">
<label for="code">The code that the device shows</label>
<input id="code" name="user_code" required maxlength="32" autocomplete="off" autocapitalize="characters" spellcheck="false" placeholder="WDJBM-JHTKX">
<div><button class="yes">Go on</button></div>
</form>
<p class="soft">Type a code only if you started the sign-in yourself, on a device that you have before you. Whoever sends you a code wants to be
signed in as you. Nothing is approved yet: the next page shows what is asked.</p></main>`;
  return page('Sign a device in', body, { hasForms: true, script: SCRIPT });
}

/** Shows exactly what a yes would give to whom. RFC 8628 sections 5.4 and 5.5. */
export function askPage(
  { member, workspace }: SignedIn,
  device: AskedDevice,
  {
    home,
    formToken,
    until,
    now,
    fault,
  }: PageForm & { readonly until: Date; readonly now: Date; readonly fault?: string },
): Page {
  const mayApprove = device.beyond.length === 0;
  const body = html`<main class="shell narrow"><p class="soft">Countersign · ${workspace.slug}</p>
<h1>Sign this device in?</h1>
${fault === undefined ? undefined : html`<div class="warn" role="alert"><p>${fault}</p></div>`}
${device.isNear ? undefined : strangerWarning(device)}
<table class="facts"><tbody>
${fact('It calls itself', html`“${device.name}” <span class="mark">its own word, which nobody has checked</span>`)}
${fact('It asks from', html`${device.ip ?? 'an unknown address'} <span class="mark">${device.isNear ? 'your own network' : 'not the network that you are in now'}</span>`)}
${fact('Since', html`${instant(device.askedAt)} <span class="mark">${ago(device.askedAt, now)}</span>`)}
${fact('It would act as', html`${member.email}, ${member.role}`)}
${fact('Workspace', html`${workspace.slug}`)}
${fact('It could use', html`${device.scopes.map((scope) => html`<code>${scope}</code> `)}${scopeNote(device)}`)}
${fact('For', html`12 hours, until ${instant(until)} <span class="mark">unless it is ended before, or you sign out here</span>`)}
</tbody></table>
${mayApprove ? undefined : html`<p>You cannot approve this: the role ${member.role} does not have ${device.beyond.join(', ')}.</p>`}
<form method="post" action="${home}/decision">
<input type="hidden" name="${FORM_TOKEN}" value="${formToken}">
<input type="hidden" name="user_code" value="${device.userCode}">
<input type="hidden" name="device" value="${device.id}">
<input type="hidden" name="shown" value="${device.scopes.join(' ')}">
${mayApprove && !device.isNear ? ownDevice() : undefined}
<div>${mayApprove ? html`<button class="yes" name="decision" value="approve">Yes, sign it in</button>` : undefined}
<button name="decision" value="deny" formnovalidate>No, turn it away</button></div>
</form>
<p class="soft">Compare the code with what the device shows: <code>${device.userCode}</code>. If they differ, or you did not start this, say no.</p></main>`;
  return page('Sign this device in?', body, { hasForms: true });
}

/** Says what became of it. */
export function decidedPage(
  { workspace }: SignedIn,
  { home }: Pick<PageForm, 'home'>,
  outcome: { readonly name: string; readonly token?: { readonly id: string; readonly until: Date } },
): Page {
  const { name, token } = outcome;
  const title = token ? 'The device is signed in' : 'The device was turned away';
  const text = token
    ? html`<p>“${name}” acts as you until ${instant(token.until)}. Go back to it; you can close this page.</p>
<p class="soft">To end that before: sign out here, or on the device with <code>countersign auth logout</code>, or revoke its token:</p>
<pre><code>countersign token revoke ${token.id} --reason other</code></pre>`
    : html`<p>“${name}” gets nothing. If it was not you who asked, somebody has tried to be signed in as you: tell the owner of your workspace.</p>`;
  const body = html`<main class="shell narrow"><p class="soft">Countersign · ${workspace.slug}</p>
<h1>${title}</h1>
${text}
<p><a href="${home}">Sign another device in</a></p></main>`;
  return page(title, body);
}

function strangerWarning({ ip, askedAt }: AskedDevice): Html {
  return html`<div class="warn" role="alert"><p><strong>This device is not in the network that you are in now.</strong></p>
<p>It asked at ${instant(askedAt)} from ${ip ?? 'an unknown address'}. If somebody sent you this code, by mail, chat or telephone, they would be signed in as
you, wherever they are. Say yes only if you started it yourself, there.</p></div>`;
}

function ownDevice(): Html {
  return html`<label class="choice"><input type="checkbox" name="mine" value="yes" required>
<span>I started this sign-in myself, on that device.</span></label>`;
}

function scopeNote({ scopes }: AskedDevice): Html | undefined {
  if (!scopes.includes('workspace:admin')) return undefined;
  return html`<span class="mark">all that your role allows, also to manage people and tokens</span>`;
}

function fact(name: string, value: Html): Html {
  return html`<tr><td>${name}</td><td>${value}</td></tr>`;
}

function instant(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

function ago(at: Date, now: Date): string {
  const minutes = Math.floor((now.getTime() - at.getTime()) / 60_000);
  return minutes < 1 ? 'less than a minute ago' : `${minutes} min ago`;
}
