/** The one style sheet of the service's own pages: light and dark, from a phone to a wide screen. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --text: #1c2126; --soft: #59636e; --ground: #ffffff; --raised: #f4f6f8; --line: #dde2e7; --link: #0a58b8;
  --get: #0b6b3a; --post: #0a58b8; --put: #8a4b00; --patch: #6b3fa0; --delete: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e4e8ec; --soft: #9aa5b1; --ground: #14171b; --raised: #1d2228; --line: #333b44; --link: #7db4ff;
    --get: #6fd39b; --post: #7db4ff; --put: #f0b26b; --patch: #c9a5f5; --delete: #ff9a91;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
code, pre, .path { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { font-size: .875em; overflow-wrap: anywhere; }
td > code { overflow-wrap: break-word; }
p code, td code, li code, dd code { background: var(--raised); padding: .1em .3em; border-radius: 4px; }
pre {
  margin: .5rem 0; padding: .75rem 1rem; overflow-x: auto; background: var(--raised); border: 1px solid var(--line);
  border-radius: 6px; font-size: .8125rem; line-height: 1.5;
}
pre code { font-size: inherit; overflow-wrap: normal; }
h1, h2, h3, h4 { line-height: 1.25; margin: 0; }
h1 { font-size: 1.75rem; }
h2 { font-size: 1.375rem; padding-bottom: .35rem; border-bottom: 2px solid var(--line); }
h2::first-letter, nav .group::first-letter { text-transform: uppercase; }
h3 { font-size: 1.0625rem; }
h4 { margin: 1.25rem 0 .35rem; font-size: .875rem; color: var(--soft); }
p { margin: .6rem 0; max-width: 46rem; }
.soft { color: var(--soft); }
.shell { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
.shell.narrow { max-width: 44rem; }
main > section { margin-top: 3rem; }
article { margin-top: 2rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.call .soft { font-size: .8125rem; }
.call { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .6rem; margin: .3rem 0 0; }
.path { font-size: .875rem; overflow-wrap: anywhere; }
.method { font: 700 .6875rem/1 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; letter-spacing: .03em; }
.method[data-method="GET"] { color: var(--get); }
.method[data-method="POST"] { color: var(--post); }
.method[data-method="PUT"] { color: var(--put); }
.method[data-method="PATCH"] { color: var(--patch); }
.method[data-method="DELETE"] { color: var(--delete); }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: .4rem .75rem .4rem 0; vertical-align: top; border-bottom: 1px solid var(--line); }
td:last-child, th:last-child { padding-right: 0; }
.fields td:first-child { width: 28%; }
.fields td:nth-child(2) { width: 24%; }
.answers td:first-child { width: 12%; }
.answers td:last-child { width: 40%; }
.fields .name { font-weight: 600; }
.mark { display: block; font-size: .75rem; color: var(--soft); }
.mark.required { color: var(--delete); }
.limits { display: block; color: var(--soft); font-size: .8125rem; }
form { margin: 1.25rem 0; }
label { display: block; margin: .75rem 0 .25rem; font-weight: 600; }
label.choice { display: flex; gap: .6rem; align-items: baseline; font-weight: 400; }
input:not([type]), input[type="text"] {
  width: 100%; max-width: 20rem; padding: .6rem .75rem; font: 1.125rem/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  color: var(--text); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
}
button {
  margin: 1rem .6rem 0 0; padding: .65rem 1.25rem; font: inherit; font-weight: 600; color: var(--text); background: var(--raised);
  border: 1px solid var(--soft); border-radius: 6px; cursor: pointer;
}
button.yes { color: #ffffff; background: #0a58b8; border-color: #0a58b8; }
.warn { margin: 1rem 0; padding: .75rem 1rem; border: 2px solid var(--delete); border-radius: 6px; }
.warn p { margin: .3rem 0; }
.facts td:first-child { width: 30%; color: var(--soft); }
.facts td { overflow-wrap: anywhere; }
ul.plain { list-style: none; margin: 0; padding: 0; }
nav h2 { font-size: 1rem; border: 0; }
nav a { display: block; padding: .3rem 0; text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav .group { font-weight: 600; color: var(--text); }
nav ul ul { margin: 0 0 .6rem; font-size: .8125rem; line-height: 1.35; }
.index { margin: .75rem 0; }
.index a { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .6rem; padding: .3rem 0; text-decoration: none; }
.index a:hover .path { text-decoration: underline; }
.index .method { width: 3.2rem; }
.index .soft { font-size: .875rem; }
@media (min-width: 60rem) {
  .split { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 3rem; }
  nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 1.5rem 0; margin-top: -1.5rem; }
}
@media (max-width: 59.99rem) {
  main { margin-top: 1.25rem; }
  nav > ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; }
  nav ul ul { display: none; }
  nav .group { color: var(--link); padding: .6rem 0; }
}
@media (max-width: 40rem) {
  .index a { padding: .55rem 0; }
  .index .soft { flex-basis: 100%; padding-left: 3.8rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, td { display: block; width: auto; }
  .answers td:first-child, .answers td:last-child { width: auto; }
  .fields td:first-child, .fields td:nth-child(2) { display: inline; width: auto; margin-right: .5rem; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td { padding: .1rem 0; border: 0; }
  td:empty { display: none; }
  .mark { display: inline; }
}
@media print { nav { display: none; } }
`;
