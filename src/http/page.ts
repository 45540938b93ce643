import { createHash } from 'node:crypto';
import type { Answer } from './exchange.js';
import { Html, html } from './html.js';
import { PAGE_STYLE } from './page-style.js';

/** A page and the policy to send with it as `Content-Security-Policy`: nothing is loaded, nothing runs but a script of its
 *  own, and that and the one style sheet are known by their hashes. */
export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

/** What a page does beside being read. */
export interface PageOptions {
  /** Whether its forms are sent to this service. */
  readonly hasForms?: boolean;
  /** Where its forms may lead beside this service: browsers hold the whole way of redirections against the policy (Content
   *  Security Policy Level 3 section 6.4.1). */
  readonly formsLeadTo?: readonly string[];
  /** A script that stands at its end. It may call this service. */
  readonly script?: string;
}

const STYLE_HASH = hashOf(PAGE_STYLE);

/** Makes a whole page of a title and a body. */
export function page(
  title: string,
  body: Html,
  { hasForms = false, formsLeadTo = [], script }: PageOptions = {},
): Page {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Html(PAGE_STYLE)}</style>
</head>
<body>
${body}
${script === undefined ? undefined : html`<script>${new Html(script)}</script>`}</body>
</html>
`;
  const contentSecurityPolicy = [
    "default-src 'none'",
    `style-src 'sha256-${STYLE_HASH}'`,
    ...(script === undefined ? [] : [`script-src 'sha256-${hashOf(script)}'`, "connect-src 'self'"]),
    "base-uri 'none'",
    `form-action ${hasForms ? ["'self'", ...formsLeadTo].join(' ') : "'none'"}`,
    "frame-ancestors 'none'",
  ].join('; ');
  return { html: whole.markup, contentSecurityPolicy };
}

/** Answers with a page. No address of one is told to another site. `same-origin` and not `no-referrer`: under that, browsers
 *  send `Origin: null` with a form, which then seems to come from elsewhere (Fetch Standard, "append a request `Origin`
 *  header"). */
export function pageAnswer({ html: body, contentSecurityPolicy }: Page, status = 200): Answer {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': contentSecurityPolicy,
    'referrer-policy': 'same-origin',
  };
  return { status, headers, body };
}

function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64');
}
