import { accept } from '../../rules/refusal.js';
import { mintOperation } from '../../wire/tokens.js';
import { endpoint } from '../endpoint.js';
import { mintAsked } from '../mint.js';

/** Mints a token, and shows its secret this once. */
export const mintTokenRoute = endpoint(mintOperation, async (deps, call) => {
  const minted = await mintAsked(deps, call, [{ path: [], request: call.body }]);
  if (!minted.ok) return minted;
  const [token] = minted.value;
  if (token === undefined) throw new Error('a minted token is not there');
  return accept({ status: 201, headers: { location: `/v1/tokens/${token.id}` }, body: token });
});
