import type { ServerResponse } from 'node:http';
import { allow, deny, json, problem } from './scripted-service.js';

/** An answer that is none. */
export interface ServiceFault {
  /** The fault, as the table in src/runner/README.md names it. */
  readonly title: string;
  /** Answers a request so. `elsewhere` is the address of a server that must never be asked. */
  readonly answer: (response: ServerResponse, elsewhere: string) => void;
}

const PAGE = '<html><body>Please sign in to the hotel network</body></html>';
const JSON_TYPE = { 'content-type': 'application/json' };

function redirect(status: number) {
  return (response: ServerResponse, elsewhere: string) => {
    response.writeHead(status, { location: elsewhere }).end();
  };
}

/** Faults that say nothing about the right to run: before the start nothing starts (69), during the run the guard tries
 *  again until the grace is used up (69), at the end they change no exit code. */
export const FAULTS: readonly ServiceFault[] = [
  { title: 'the connection is closed at once', answer: (response) => void response.destroy() },
  { title: 'no answer comes', answer: () => undefined },
  { title: 'headers come and no body', answer: (response) => response.writeHead(200, JSON_TYPE).flushHeaders() },
  {
    title: 'the body stops in the middle',
    answer: (response) => response.writeHead(200, JSON_TYPE).write(JSON.stringify(allow()).slice(0, 300)),
  },
  {
    title: 'the body breaks off',
    answer: (response) => {
      response.writeHead(200, { ...JSON_TYPE, 'content-length': '5000' });
      response.write(JSON.stringify(allow()).slice(0, 300), () => response.destroy());
    },
  },
  { title: 'the answer drips in, a byte at a time', answer: (response) => drip(response.writeHead(200, JSON_TYPE)) },
  { title: 'the answer has no end', answer: (response) => flood(response.writeHead(200, JSON_TYPE)) },
  { title: 'truncated JSON', answer: (response) => response.end(JSON.stringify(allow()).slice(0, -1)) },
  { title: 'an empty answer', answer: (response) => response.writeHead(200).end() },
  { title: '500', answer: (response) => problem(response, 500, 'internal_error') },
  {
    title: '503 with Retry-After',
    answer: (response) => problem(response.setHeader('retry-after', '1'), 503, 'database_unavailable'),
  },
  { title: '429', answer: (response) => problem(response, 429, 'rate_limited') },
  { title: 'a bare 502 of a proxy', answer: (response) => response.writeHead(502).end('Bad Gateway') },
  { title: 'a redirect, 302', answer: redirect(302) },
  { title: 'a redirect that keeps the method, 307', answer: redirect(307) },
  { title: 'a redirect for good, 308', answer: redirect(308) },
  { title: 'a redirect in the form of a problem', answer: (response) => problem(response, 307, 'moved') },
  {
    title: "a captive portal's page",
    answer: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE),
  },
  {
    title: "a captive portal's page as 403",
    answer: (response) => response.writeHead(403, { 'content-type': 'text/html' }).end(PAGE),
  },
  { title: "a captive portal's 511", answer: (response) => response.writeHead(511).end(PAGE) },
];

/** What a definite no looks like. */
export const REFUSALS: readonly number[] = [400, 401, 403, 404, 409, 413, 415, 422];

const token = Object(allow()['token']);
const { check_id: _checkId, ...withoutCheckId } = allow();
const { exp: _exp, ...tokenWithoutExpiry } = token;

/** Answers to a check that say allow, or nearly, and are none. */
export const LIES: readonly (readonly [title: string, body: unknown])[] = [
  ['JSON null', null],
  ['an allow in a list', [allow()]],
  ['an allow and nothing else', { decision: 'allow' }],
  ['another decision', allow({ decision: 'maybe' })],
  ['an allow in capitals', allow({ decision: 'ALLOW' })],
  ['an allow that is a list', allow({ decision: ['allow'] })],
  ['an allow that is true', allow({ decision: true })],
  ['an allow without a check id', withoutCheckId],
  ['an allow with a number for a check id', allow({ check_id: 7 })],
  ['an allow with another kind of id', allow({ check_id: '../../v1/me' })],
  ['an allow with reasons against it', allow({ reasons: deny().reasons })],
  ['an allow with null for reasons', allow({ reasons: null })],
  ['an allow for an inactive token', allow({ token: { active: false } })],
  ['an allow for a token that says "true"', allow({ token: { ...token, active: 'true' } })],
  ['an allow for no token', allow({ token: null })],
  ['an allow for a list of tokens', allow({ token: [token] })],
  ['an allow for half a token', allow({ token: tokenWithoutExpiry })],
  ['an allow for an expired token', allow({ token: { ...token, exp: 1 } })],
  ['an allow for a token that expires at a text', allow({ token: { ...token, exp: '9999999999' } })],
  ['an allow for another workflow', allow({ token: { ...token, workflow: 'x' } })],
  ['an allow for the workflow in capitals', allow({ token: { ...token, workflow: 'TESTS' } })],
  ['an allow without an end', allow({ valid_until: null })],
  ['an allow that ended', allow({ valid_until: '2031-04-30T00:00:00Z' })],
  ['an allow that ends as it begins', allow({ valid_until: allow()['as_of'] })],
  ['an allow that ends at no time', allow({ valid_until: 'tomorrow' })],
  ['an allow that ends at a number', allow({ valid_until: 1e12 })],
  ['an allow of no time', allow({ as_of: 'now' })],
];

/** Answers with a lie, or with JSON that has one in it. */
export function lie(body: unknown) {
  return (response: ServerResponse) => json(response, 200, body);
}

function drip(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 20);
  response.once('close', () => clearInterval(timer));
}

function flood(response: ServerResponse): void {
  const piece = Buffer.alloc(2 ** 20, ' ');
  const pour = () => {
    while (!response.destroyed && response.write(piece));
  };
  response.on('drain', pour);
  pour();
}
