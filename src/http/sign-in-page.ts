import type { SignedIn } from '../store/sessions.js';
import { type Html, html } from './html.js';
import { type Page, page } from './page.js';
import { passkeySection } from './passkey-pages.js';
import { SIGN_IN_SCRIPT } from './passkey-script.js';

/** What the sign-in page is made of. */
export interface SignInView {
  /** The issuer; `undefined` when there is no provider. */
  readonly issuer: string | undefined;
  readonly returnTo: string;
  /** Where passkeys work. */
  readonly origin: string;
  readonly workspace: string | undefined;
  /** Who is signed in already in this browser. */
  readonly current: SignedIn | undefined;
}

/** The page where people prove who they are. */
export function signInPage(view: SignInView): Page {
  const provider = view.issuer === undefined ? undefined : new URL(view.issuer);
  const body = html`<main class="shell narrow" data-origin="${view.origin}"><p class="soft">Countersign</p>
<h1>Sign in</h1>
${view.current && currentSection(view.current, view.returnTo)}
${provider && providerSection(provider.host, view)}
${passkeySection(view.returnTo)}
${provider === undefined ? noProvider() : undefined}
</main>`;
  return page('Sign in', body, { hasForms: true, formsLeadTo: leadsTo(provider), script: SIGN_IN_SCRIPT });
}

// A provider may lead on to others, whose names nobody here knows.
function leadsTo(provider: URL | undefined): string[] {
  if (provider === undefined) return [];
  return provider.protocol === 'https:' ? ['https:'] : [provider.origin, 'https:'];
}

function currentSection({ member, workspace }: SignedIn, returnTo: string): Html {
  return html`<p>You are signed in already: <strong>${member.email}</strong> in the workspace <strong>${workspace.slug}</strong>.
<a href="${returnTo}">Go on</a>, or sign in as somebody else, which ends that session.</p>`;
}

function providerSection(provider: string, { returnTo, workspace }: SignInView): Html {
  return html`<section><p>${workspace && html`You asked for the workspace <strong>${workspace}</strong>. `}Your organisation’s identity provider at
<strong>${provider}</strong> says who you are. You come back here afterwards.</p>
<form method="post" action="/console/sign-in">
<input type="hidden" name="return_to" value="${returnTo}">
${workspace && html`<input type="hidden" name="workspace" value="${workspace}">`}
<button type="submit">Sign in with ${provider}</button>
</form></section>`;
}

function noProvider(): Html {
  return html`<p class="soft">No identity provider is configured for this service. Whoever runs it can connect one:
<code>COUNTERSIGN_OIDC_ISSUER</code> and <code>COUNTERSIGN_OIDC_CLIENT_ID</code>. A token signs in on the command line, with
<code>countersign auth login --with-token</code>.</p>`;
}

/** The page for somebody who is known in several workspaces. `name` is that of the choice. */
export function choicePage(name: string, slugs: readonly string[]): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign</p>
<h1>Which workspace?</h1>
<p>You belong to several workspaces. A session is in one of them.</p>
<form method="post" action="/console/sign-in/workspace">
<input type="hidden" name="choice" value="${name}">
<ul class="plain">${slugs.map((slug) => html`<li><button type="submit" name="workspace" value="${slug}">${slug}</button></li>`)}</ul>
</form></main>`;
  return page('Which workspace?', body, { hasForms: true });
}

/** The page that says why a sign-in came to nothing. */
export function noSignInPage(title: string, text: string): Page {
  const body = html`<main class="shell narrow"><p class="soft">Countersign · sign in</p>
<h1>${title}</h1>
<p>${text}</p>
<p><a href="/console/sign-in">Sign in again</a></p></main>`;
  return page(title, body);
}
