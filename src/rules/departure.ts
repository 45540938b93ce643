import type { LeaverRule } from './leaver.js';
import type { TokenKind } from './token.js';
import { isReservedLabel } from './workflow.js';

/** How a person goes. `suspended` is by hand and may be for a while; `left` is what a sign from outside tells, such as a
 *  deactivation by the identity provider; `removed` is for good. */
export type Departure = 'suspended' | 'left' | 'removed';

/** What becomes of one token: `hold` changes nothing, it is held back as long as its creator is not active. */
type Treatment = 'hold' | 'freeze' | 'revoke';

/** What becomes of a token when its creator goes. What a person signed in with, and what a runner proves itself with, is
 *  nobody else's to have: it is held back, and ends when the person has left. */
export function leaverTreatment(
  token: { readonly kind: TokenKind; readonly workflow: string },
  rule: LeaverRule | undefined,
  departure: Departure,
): Treatment {
  if (departure === 'removed') return 'revoke';
  const whenLeft = (treatment: Treatment) => (departure === 'left' ? treatment : 'hold');
  if (token.kind !== 'access' || isReservedLabel(token.workflow)) return whenLeft('revoke');
  switch (rule) {
    case undefined:
      return whenLeft('freeze');
    case 'freeze':
    case 'transfer':
      return 'freeze';
    case 'revoke':
      return 'revoke';
  }
}
