import { accept } from '../../rules/refusal.js';
import { mintManyOperation } from '../../wire/mints.js';
import { endpoint } from '../endpoint.js';
import { mintAsked } from '../mint.js';

/** Mints many tokens or none, and shows their secrets this once. */
export const mintTokensRoute = endpoint(mintManyOperation, async (deps, call) => {
  const asked = call.body.tokens.map((request, at) => ({ path: ['tokens', at], request }));
  const minted = await mintAsked(deps, call, asked);
  return minted.ok ? accept({ status: 201, body: { tokens: minted.value } }) : minted;
});
