import type { ServerResponse } from 'node:http';
import { exchanged, json } from './scripted-service.js';

/** A JSON Web Token as far as its form goes. */
export function jwt(name: string, claims: Record<string, unknown> = {}): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signature = Buffer.from(`the signature of ${name}`.repeat(3)).toString('base64url');
  return `${part({ alg: 'RS256', typ: 'JWT' })}.${part({ sub: name, ...claims })}.${signature}`;
}

const { access_token: _token, ...withoutToken } = exchanged();

/** Answers to the exchange that look like a token, and are none: nothing starts, 69. */
export const EXCHANGE_LIES: readonly (readonly [title: string, body: unknown])[] = [
  ['a token in a list', [exchanged()]],
  ['everything but the token', withoutToken],
  ['an empty token', exchanged({ access_token: '' })],
  ['a number for a token', exchanged({ access_token: 7 })],
  ["the platform's token as ours", exchanged({ access_token: jwt('job') })],
  ['a token with a line behind it', exchanged({ access_token: `${exchanged()['access_token']}\nX: y` })],
  ['a huge token', exchanged({ access_token: `cst_${'x'.repeat(100_000)}` })],
  ['a token of no type', exchanged({ token_type: 'N_A' })],
  ['an id token for an access token', exchanged({ issued_token_type: 'urn:ietf:params:oauth:token-type:id_token' })],
  ['a token that expires at a text', exchanged({ expires_in: 'soon' })],
  ['a token that has expired', exchanged({ expires_in: 0 })],
];

/** Answers of the platform that say 200 and hold no token: nothing starts, 69. */
export const PLATFORM_LIES: readonly (readonly [title: string, answer: (response: ServerResponse) => void])[] = [
  ['JSON without a token', (response) => json(response, 200, { count: 0 })],
  ['JSON null', (response) => json(response, 200, null)],
  ['a token that is null', (response) => json(response, 200, { value: null })],
  ['a token that is empty', (response) => json(response, 200, { value: ' \n' })],
  ['a token that is a list', (response) => json(response, 200, { value: [jwt('job')] })],
  ['a token of two parts', (response) => json(response, 200, { value: jwt('job').split('.', 2).join('.') })],
  ['a token of two lines', (response) => json(response, 200, { value: jwt('job').replaceAll('.', '.\n') })],
  ['a token of 20 KiB', (response) => json(response, 200, { value: `${jwt('job')}${'x'.repeat(20_000)}` })],
  ['a token of a megabyte', (response) => json(response, 200, { value: `${jwt('job')}${'x'.repeat(1_000_000)}` })],
];

/** Statuses of the platform that are a no: whatever the reason is, there is no token, 69. */
export const PLATFORM_REFUSALS: readonly number[] = [400, 401, 403, 404];
