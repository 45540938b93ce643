import { accept } from '../../rules/refusal.js';
import { showTokenOperation } from '../../wire/tokens.js';
import { endpoint } from '../endpoint.js';
import { presentToken } from '../present.js';
import { readableToken } from '../visible.js';

export const showTokenRoute = endpoint(showTokenOperation, async (deps, call) => {
  const view = await readableToken(deps, call, call.caller);
  return view.ok ? accept({ status: 200, body: presentToken(view.value) }) : view;
});
