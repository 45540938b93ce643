import { accept } from '../../rules/refusal.js';
import { reportLeaksOperation } from '../../wire/leaks.js';
import { callerNetwork } from '../address.js';
import { endpoint } from '../endpoint.js';
import { endLeaked } from '../leaked.js';
import { limitOf, spent } from '../rate-limit.js';

const reports = limitOf({ points: 60, duration: 60 });

/** Ends what anybody has found. The answer says nothing of what it was. */
export const reportLeaksRoute = endpoint(reportLeaksOperation, async (deps, call) => {
  const limited = await spent(reports(deps), callerNetwork(call.ip));
  if (limited) return limited;
  const { tokens, source } = call.body;
  await endLeaked(
    deps,
    call,
    tokens.map((token) => ({ ...source, token })),
  );
  return accept({ status: 202, body: { received: tokens.length } });
});
