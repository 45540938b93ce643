import { createHash } from 'node:crypto';
import { Html, html } from './html.js';
import { PAGE_STYLE } from './page-style.js';

/** A page and the policy to send with it as `Content-Security-Policy`: nothing is loaded, nothing runs, and the one
 *  style sheet is known by its hash. */
export interface Page {
  readonly html: string;
  readonly contentSecurityPolicy: string;
}

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE, 'utf8').digest('base64');

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Makes a whole page of a title and a body. */
export function page(title: string, body: Html): Page {
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
</body>
</html>
`;
  return { html: whole.markup, contentSecurityPolicy: CONTENT_SECURITY_POLICY };
}
